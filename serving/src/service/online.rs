//! `OnlineService`: lookups.

use std::sync::Arc;
use std::time::Duration;

use feat_kernel::time::Instant;
use feat_proto::v1;
use feat_proto::v1::online_service_server::OnlineService;
use tonic::{Request, Response, Status};

use crate::answer::Answer;
use crate::answer_log::AnswerLog;
use crate::catalog::{Catalog, Service};
use crate::convert::{self, Asked, Form};
use crate::current::{Clock, Current};
use crate::error::{LookupError, ServeError};
use crate::inputs::Inputs;
use crate::metrics::Metrics;

/// How long the store may take where the caller says no deadline.
const LONGEST: Duration = Duration::from_secs(10);
/// The first wait for completeness; each is twice the one before, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LAST_WAIT: Duration = Duration::from_millis(100);

/// Answers lookups from the catalog of now.
#[derive(Clone)]
pub(crate) struct Online {
    pub(crate) current: Current,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// The most rows of a call.
    pub(crate) rows: usize,
    /// What takes a sample of the answers.
    pub(crate) answers: Option<Arc<AnswerLog>>,
}

#[tonic::async_trait]
impl OnlineService for Online {
    async fn get_features(
        &self,
        request: Request<v1::GetFeaturesRequest>,
    ) -> Result<Response<v1::GetFeaturesResponse>, Status> {
        let begun = std::time::Instant::now();
        let request = request.into_inner();
        let (services, answers) = self.answered(&request).await?;
        self.metrics.looked_up(begun.elapsed(), &answers);
        let form = match request.form() {
            v1::Form::Columns => Form::Columns,
            v1::Form::Rows | v1::Form::Unspecified => Form::Rows,
        };
        Ok(Response::new(convert::response(&services, answers, form)))
    }

    async fn describe_service(
        &self,
        request: Request<v1::DescribeServiceRequest>,
    ) -> Result<Response<v1::DescribeServiceResponse>, Status> {
        let service = self.current.get().service(&request.get_ref().service).map_err(ServeError::from)?;
        Ok(Response::new(convert::describe(&service)))
    }
}

impl Online {
    /// The services that are asked, and what they answer.
    async fn answered(
        &self,
        request: &v1::GetFeaturesRequest,
    ) -> Result<(Vec<Arc<Service>>, Vec<Answer>), ServeError> {
        let catalog = self.current.get();
        if request.services.is_empty() {
            return Err(ServeError::Request(
                "no service is named: say at least one in `services`".to_owned(),
            ));
        }
        let services: Vec<Arc<Service>> =
            request.services.iter().map(|name| catalog.service(name)).collect::<Result<_, _>>()?;
        let asked = Asked::new(request, self.rows)?;
        asked.refuse_others(&services)?;
        if asked.rows() == 0 {
            return Err(ServeError::Request("no row is asked about".to_owned()));
        }
        let inputs: Vec<Inputs> =
            services.iter().map(|service| asked.of(service)).collect::<Result<_, _>>()?;
        let pairs: Vec<(&Service, &Inputs)> =
            services.iter().zip(&inputs).map(|(service, inputs)| (&**service, inputs)).collect();
        let at = match &request.at {
            None => None,
            Some(at) => Some(convert::instant(at).ok_or_else(|| {
                ServeError::Request(
                    "`at` is finer than a microsecond, or beyond what instants reach".to_owned(),
                )
            })?),
        };
        let wait = match &request.wait {
            None => Duration::ZERO,
            Some(wait) => Duration::try_from(*wait)
                .map_err(|_| ServeError::Request("`wait` is not a length of time".to_owned()))?,
        };
        let answers = tokio::time::timeout(LONGEST + wait, self.waited(&catalog, &pairs, at, wait)).await;
        let late = |_| ServeError::Late(format!("the online store did not answer within {LONGEST:?}"));
        let answers = answers.map_err(late)??;
        if let Some(log) = self.answers.as_ref().filter(|log| log.takes()) {
            for ((service, inputs), answer) in pairs.iter().zip(&answers) {
                log.keep(&catalog, service, inputs, answer, &self.metrics);
            }
        }
        Ok((services, answers))
    }

    /// Looks up; again, as long as `wait` lasts, until what could count is included.
    async fn waited(
        &self,
        catalog: &Catalog,
        pairs: &[(&Service, &Inputs)],
        at: Option<Instant>,
        wait: Duration,
    ) -> Result<Vec<Answer>, ServeError> {
        let mut answers = catalog.lookup_all(pairs, at, (self.clock)()).await?;
        let until = tokio::time::Instant::now() + wait;
        let mut next = FIRST_WAIT;
        while answers.iter().any(|answer| !answer.complete) && tokio::time::Instant::now() < until {
            let then = (tokio::time::Instant::now() + next).min(until);
            tokio::time::sleep_until(then).await;
            next = (next * 2).min(LAST_WAIT);
            // The instant that was answered first stays, as long as the stored state reaches back to it.
            let fixed = at.or_else(|| answers.first().map(|answer| answer.evaluated_at));
            answers = match catalog.lookup_all(pairs, fixed, (self.clock)()).await {
                Err(LookupError::TooEarly { .. }) if at.is_none() => {
                    catalog.lookup_all(pairs, None, (self.clock)()).await?
                }
                answered => answered?,
            };
        }
        Ok(answers)
    }
}

//! `feat key` and `feat audit`: who may call the server, and who did what.

use std::process::ExitCode;

use anyhow::Result;
use feat_serving::auth;
use serde_json::json;

use crate::arguments::Arguments;
use crate::arguments::serve::{Audit, Key};
use crate::site::Site;
use crate::{output, registry};

/// Makes, lists or takes back keys.
pub(crate) fn run(common: &Arguments, what: &Key) -> Result<ExitCode> {
    let site = Site::find(common.folder.as_deref(), common.profile.as_deref())?;
    let who = registry::who();
    super::block_on(async {
        let registry = registry::make(&site).await?;
        match what {
            Key::Add { principal, role, expires } => {
                let expires = expires.as_deref().map(|at| super::instant("--expires", at)).transpose()?;
                let key = auth::new_key()?;
                let roles = [role.clone()];
                let actor = registry::actor(&who);
                registry.add_key(principal, &roles, &key.prefix, &key.hash, expires, &actor).await?;
                output::line(key.key);
            }
            Key::Revoke { prefix } => {
                registry.revoke_key(prefix, &registry::actor(&who)).await?;
                output::line(format!("{prefix} is taken back"));
            }
            Key::List { json } => {
                let keys = registry.keys().await?;
                let shown = |at: Option<feat_kernel::time::Instant>| at.map(|at| at.to_string());
                if *json {
                    let keys = keys.iter().map(|key| {
                        json!({
                            "prefix": key.prefix, "principal": key.principal, "roles": key.roles,
                            "created_at": key.created_at.to_string(), "expires_at": shown(key.expires_at),
                            "revoked_at": shown(key.revoked_at),
                        })
                    });
                    output::json(&keys.collect())?;
                } else {
                    let row = |key: &feat_registry::keys::StoredKey| {
                        let ends = shown(key.revoked_at).map(|at| format!("taken back {at}"));
                        let ends =
                            ends.or_else(|| shown(key.expires_at)).unwrap_or_else(|| "never".to_owned());
                        vec![key.prefix.clone(), key.principal.clone(), key.roles.join(", "), ends]
                    };
                    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
                    output::line(output::table(&["key", "of", "may", "ends"], &rows));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Shows the audit log, or audits a sample of answers.
pub(crate) fn audit(common: &Arguments, what: &Audit) -> Result<ExitCode> {
    let json = match what {
        Audit::Log { json } => json,
        Audit::Skew(asked) => return super::skew::run(common, asked),
    };
    let log = super::block_on(async { Ok(super::objects::existing(common).await?.audit_log().await?) })?;
    let decision = |allowed: bool| if allowed { "allowed" } else { "refused" };
    if *json {
        let log = log.iter().map(|entry| {
            json!({
                "seq": entry.seq, "at": entry.at.to_string(), "principal": entry.principal,
                "channel": entry.channel, "action": entry.action, "urn": entry.urn,
                "decision": decision(entry.allowed), "detail": entry.detail,
            })
        });
        output::json(&log.collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |entry: &feat_registry::AuditEntry| {
        vec![
            entry.at.to_string(),
            entry.principal.clone(),
            entry.channel.clone(),
            entry.action.clone(),
            decision(entry.allowed).to_owned(),
            entry.urn.clone(),
            entry.detail.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = log.iter().map(row).collect();
    output::line(output::table(&["at", "who", "by", "what", "decision", "of", "detail"], &rows));
    Ok(ExitCode::SUCCESS)
}

//! Who may call, and what becomes of bytes that nobody meant.

use std::time::Duration;

use bytes::Bytes;
use feat_kernel::time::Instant;
use feat_registry::{Actor, Registry};
use feat_serving::{Access, Limits, auth};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::lanes::{Net, minute};
use crate::served::{PARCELS, Served, lane, quotes};

/// Every call of every service, by its path, as the description for reflection has them.
fn calls() -> Vec<String> {
    use prost::Message as _;
    let files = prost_types::FileDescriptorSet::decode(feat_proto::DESCRIPTOR).unwrap();
    let mut calls = Vec::new();
    for file in files.file {
        let package = file.package().to_owned();
        for service in &file.service {
            for method in &service.method {
                calls.push(format!("/{package}.{}/{}", service.name(), method.name()));
            }
        }
    }
    assert!(calls.len() >= 12, "{calls:?}");
    calls
}

/// Calls `path` with `body` as its message, whatever that is; the code it ended with.
async fn call(channel: &Channel, path: &str, body: Vec<u8>, key: Option<&str>) -> Code {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::iter([Bytes::from(body)]));
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    let path = http::uri::PathAndQuery::try_from(path).unwrap();
    match client.streaming(request, path, raw::Raw).await {
        Err(status) => status.code(),
        Ok(response) => {
            let mut parts = response.into_inner();
            loop {
                match parts.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Code::Ok,
                    Err(status) => return status.code(),
                }
            }
        }
    }
}

/// Messages as the bytes that they are.
mod raw {
    use bytes::{Buf as _, BufMut as _, Bytes};
    use tonic::Status;
    use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

    #[derive(Clone, Copy, Debug, Default)]
    pub(super) struct Raw;

    impl Codec for Raw {
        type Encode = Bytes;
        type Decode = Bytes;
        type Encoder = Self;
        type Decoder = Self;
        fn encoder(&mut self) -> Self {
            *self
        }
        fn decoder(&mut self) -> Self {
            *self
        }
    }

    impl Encoder for Raw {
        type Item = Bytes;
        type Error = Status;
        fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
            into.put(item);
            Ok(())
        }
    }

    impl Decoder for Raw {
        type Item = Bytes;
        type Error = Status;
        fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
            Ok(Some(from.copy_to_bytes(from.remaining())))
        }
    }
}

async fn registry() -> (tempfile::TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::make("sqlite:registry.db", folder.path(), "net").await.unwrap();
    (folder, registry)
}

async fn key(registry: &Registry, principal: &str, roles: &[&str], expires: Option<Instant>) -> String {
    let key = auth::new_key().unwrap();
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    let actor = Actor { principal: "ann", channel: "test", at: minute(0) };
    registry.add_key(principal, &roles, &key.prefix, &key.hash, expires, &actor).await.unwrap();
    key.key
}

#[tokio::test]
async fn every_call_is_refused_without_a_key_and_without_a_role() {
    let (_folder, registry) = registry().await;
    let nobody = key(&registry, "nobody", &[], None).await;
    let reader = key(&registry, "model", &["reader"], None).await;
    let ended = key(&registry, "old", &["admin"], Some(minute(20))).await;
    let net = Net::full(PARCELS).await;
    let served = Served::start(net.catalog, Some(registry.clone()), Access::Keys, Limits::default()).await;
    let channel = served.channel().await;
    let forged = format!("{}0", &reader[..reader.len() - 1]);
    let mut paths = calls();
    paths.push("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned());
    for path in &paths {
        for key in [None, Some("x"), Some(ended.as_str()), Some("feat_00000000_aa")] {
            assert_eq!(call(&channel, path, vec![], key).await, Code::Unauthenticated, "{path} with {key:?}");
        }
        assert_eq!(call(&channel, path, vec![], Some(&nobody)).await, Code::PermissionDenied, "{path}");
    }
    if forged != reader {
        assert_eq!(call(&channel, &paths[0], vec![], Some(&forged)).await, Code::Unauthenticated);
    }
    let apply = "/feat.v1.RegistryService/Apply";
    assert_eq!(call(&channel, apply, vec![], Some(&reader)).await, Code::PermissionDenied);
    assert_eq!(
        call(&channel, "/feat.v1.OnlineService/Nothing", vec![], Some(&reader)).await,
        Code::PermissionDenied
    );
    // With its role a call is let in, and is then told what it lacks; whether one is alive anybody may ask.
    let get = "/feat.v1.OnlineService/GetFeatures";
    assert_eq!(call(&channel, get, vec![], Some(&reader)).await, Code::InvalidArgument);
    assert_eq!(call(&channel, "/grpc.health.v1.Health/Check", vec![], None).await, Code::Ok);
    // Refusals are entered, and say who.
    let entered = async {
        loop {
            let log = registry.audit_log().await.unwrap();
            let denied = |entry: &feat_registry::AuditEntry| {
                entry.principal == "model" && entry.action == apply && !entry.allowed
            };
            if log.iter().any(denied) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), entered).await.unwrap();
    // A key that is taken back is refused once it is no longer remembered: not yet tried, at once.
    let other = key(&registry, "other", &["reader"], None).await;
    let actor = Actor { principal: "ann", channel: "test", at: minute(0) };
    registry.revoke_key(other.rsplit_once('_').unwrap().0, &actor).await.unwrap();
    assert_eq!(call(&channel, get, vec![], Some(&other)).await, Code::Unauthenticated);
}

#[tokio::test]
async fn whatever_bytes_come_the_server_stays_up() {
    const CASES: u64 = 1_500;
    const SEED: u64 = 0x5eed_cafe;
    let (_folder, registry) = registry().await;
    let net = Net::full(PARCELS).await;
    let served = Served::start(net.catalog, Some(registry), Access::Open, Limits::default()).await;
    let channel = served.channel().await;
    let paths = calls();
    let mut state = SEED;
    let mut random = move || {
        // SplitMix64, by Steele, Lea and Flood.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let good = {
        use prost::Message as _;
        quotes(vec![lane("oslo", "rome")]).encode_to_vec()
    };
    for case in 0..CASES {
        let path = &paths[(random() % paths.len() as u64) as usize];
        // A message with a few bytes changed goes deeper than one of noise.
        let mut body = if random() % 2 == 0 {
            good.clone()
        } else {
            (0..random() % 60).map(|_| random() as u8).collect()
        };
        for _ in 0..random() % 4 {
            if !body.is_empty() {
                let at = (random() % body.len() as u64) as usize;
                body[at] = random() as u8;
            }
        }
        let code = call(&channel, path, body, None).await;
        assert!(
            !matches!(code, Code::Unknown | Code::DataLoss | Code::Aborted),
            "case {case} of seed {SEED}: {path}: {code:?}"
        );
    }
    served.client().await.get_features(quotes(vec![lane("oslo", "rome")])).await.unwrap();
}

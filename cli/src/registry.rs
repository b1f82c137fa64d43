//! The project's registry: where it is, who writes to it, and what is deployed there.

use anyhow::Result;
use feat_compiler::secrets::Secrets;
use feat_registry::{Actor, Deployed, Registry};

use crate::site::Site;

/// Where the registry is when `feat.toml` does not say.
const URL: &str = "sqlite:.feat/registry.db";

/// The registry, if there is one: something was applied, or written.
pub(crate) async fn open(site: &Site) -> Result<Option<Registry>> {
    Ok(Registry::open(url(site), &site.root, &name(site)?).await?)
}

/// The registry; made if there is none.
pub(crate) async fn make(site: &Site) -> Result<Registry> {
    Ok(Registry::make(url(site), &site.root, &name(site)?).await?)
}

/// What is deployed, if anything is.
pub(crate) async fn deployed(site: &Site, secrets: &Secrets) -> Result<Option<Deployed>> {
    match open(site).await? {
        Some(registry) => Ok(registry.deployed(secrets).await?),
        None => Ok(None),
    }
}

fn url(site: &Site) -> &str {
    site.config.registry.url.as_deref().unwrap_or(URL)
}

/// The project's name: that of `feat.toml`, or the folder's.
pub(crate) fn name(site: &Site) -> Result<String> {
    if let Some(name) = &site.config.project.name {
        return Ok(name.clone());
    }
    let folder = site.root.canonicalize()?;
    Ok(folder.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned()))
}

/// Who runs this command.
pub(crate) fn who() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    user.filter(|user| !user.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

/// `who` does something by the command line, now.
pub(crate) fn actor(who: &str) -> Actor<'_> {
    Actor { principal: who, channel: "cli", at: crate::command::now() }
}

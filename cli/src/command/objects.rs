//! `feat list`, `feat show`, `feat history`: what is deployed, one by one.

use std::process::ExitCode;

use anyhow::{Result, bail};
use feat_registry::Registry;
use feat_registry::objects::{Archived, Entry, Version};
use serde_json::{Value as Json, json};

use crate::arguments::Arguments;
use crate::arguments::registry::{List, Named};
use crate::site::Site;
use crate::{output, registry};

/// Lists objects.
pub(crate) fn list(common: &Arguments, asked: &List) -> Result<ExitCode> {
    let archived = if asked.archived { Archived::Shown } else { Archived::Hidden };
    let entries = super::block_on(async {
        let registry = existing(common).await?;
        let kind = asked.kind.as_deref().unwrap_or_default();
        Ok(registry.objects(kind, asked.contains.as_deref().unwrap_or_default(), archived).await?)
    })?;
    if asked.json {
        output::json(&entries.iter().map(document).collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let version = format!("{}.{}", entry.version.major, entry.version.minor);
            let (ty, doc) = (entry.version.ty.clone(), first_line(&entry.doc));
            vec![entry.kind.clone(), entry.name.clone(), version, entry.lifecycle.clone(), ty, doc]
        })
        .collect();
    output::line(output::table(&["kind", "name", "version", "state", "type", ""], &rows));
    Ok(ExitCode::SUCCESS)
}

/// Shows one object.
pub(crate) fn show(common: &Arguments, asked: &Named) -> Result<ExitCode> {
    let entry = super::block_on(async { Ok(existing(common).await?.object(&asked.name).await?) })?;
    if asked.json {
        output::json(&document(&entry))?;
        return Ok(ExitCode::SUCCESS);
    }
    let version = &entry.version;
    let mut lines = vec![
        entry.urn.clone(),
        format!(
            "{} {}, version {}.{}, {}",
            entry.kind, entry.name, version.major, version.minor, entry.lifecycle
        ),
        format!(
            "revision {}, {} by {}, {}:{}",
            version.revision, version.created_at, version.created_by, version.path, version.lines.0
        ),
    ];
    let mut said = |what: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("{what:<9} {text}"));
        }
    };
    said("type", &version.ty);
    said("meaning", &version.meaning);
    said("owners", &entry.owners.join(", "));
    said("tags", &entry.tags.join(", "));
    said("note", &entry.note);
    said("doc", &entry.doc.replace('\n', "\n          "));
    lines.push(String::new());
    lines.push(version.text.trim_end().to_owned());
    output::line(lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// Lists the versions of an object.
pub(crate) fn history(common: &Arguments, asked: &Named) -> Result<ExitCode> {
    let versions = super::block_on(async {
        let registry = existing(common).await?;
        let entry = registry.object(&asked.name).await?;
        Ok(registry.versions(&entry).await?)
    })?;
    if asked.json {
        output::json(&versions.iter().map(version).collect())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = versions
        .iter()
        .map(|version| {
            vec![
                format!("{}.{}", version.major, version.minor),
                version.state.clone(),
                version.revision.to_string(),
                version.created_at.to_string(),
                version.created_by.clone(),
                version.class.clone(),
                version.reason.clone(),
            ]
        })
        .collect();
    output::line(output::table(
        &["version", "state", "revision", "at", "by", "class", "what changed"],
        &rows,
    ));
    Ok(ExitCode::SUCCESS)
}

/// The project's registry, which must be there.
pub(super) async fn existing(common: &Arguments) -> Result<Registry> {
    let site = Site::find(common.folder.as_deref(), common.profile.as_deref())?;
    match registry::open(&site).await? {
        Some(registry) => Ok(registry),
        None => bail!("nothing was ever applied here: `feat apply` makes the first revision"),
    }
}

fn first_line(doc: &str) -> String {
    doc.lines().next().unwrap_or_default().to_owned()
}

fn document(entry: &Entry) -> Json {
    json!({
        "urn": entry.urn,
        "kind": entry.kind,
        "name": entry.name,
        "parent": entry.parent,
        "lifecycle": entry.lifecycle,
        "note": entry.note,
        "doc": entry.doc,
        "owners": entry.owners,
        "tags": entry.tags,
        "version": version(&entry.version),
    })
}

fn version(version: &Version) -> Json {
    json!({
        "major": version.major,
        "minor": version.minor,
        "meaning": version.meaning,
        "type": version.ty,
        "class": version.class,
        "reason": version.reason,
        "state": version.state,
        "text": version.text,
        "path": version.path,
        "lines": [version.lines.0, version.lines.1],
        "revision": version.revision,
        "created_at": version.created_at.to_string(),
        "created_by": version.created_by,
    })
}

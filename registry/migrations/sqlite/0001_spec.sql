-- Spec truth: what was applied, in versions that never change. Instants are microseconds since 1970 in UTC,
-- hashes lower-case hex, documents JSON.

CREATE TABLE project (
  id         BIGINT PRIMARY KEY NOT NULL,
  name       TEXT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL
);

-- Files by the hash of what they say.
CREATE TABLE spec_text (
  hash TEXT PRIMARY KEY NOT NULL,
  text TEXT NOT NULL
);

-- Everything that was deployed by one apply. Plans are compiled anew from the texts.
CREATE TABLE revision (
  id                BIGINT PRIMARY KEY NOT NULL,
  project_id        BIGINT NOT NULL REFERENCES project (id),
  seq               BIGINT NOT NULL,
  compiler_version  TEXT NOT NULL,
  semantics_version BIGINT NOT NULL,
  -- Over the meanings of everything in it.
  meaning           TEXT NOT NULL,
  created_at        BIGINT NOT NULL,
  created_by        TEXT NOT NULL,
  UNIQUE (project_id, seq)
);

CREATE TABLE revision_file (
  revision_id BIGINT NOT NULL REFERENCES revision (id),
  path        TEXT NOT NULL,
  text_hash   TEXT NOT NULL REFERENCES spec_text (hash),
  PRIMARY KEY (revision_id, path)
);

-- What has a name.
CREATE TABLE object (
  id         BIGINT PRIMARY KEY NOT NULL,
  urn        TEXT NOT NULL UNIQUE,
  kind       TEXT NOT NULL,
  project_id BIGINT NOT NULL REFERENCES project (id),
  parent_id  BIGINT REFERENCES object (id),
  name       TEXT NOT NULL,
  lifecycle  TEXT NOT NULL CHECK (lifecycle IN ('active', 'deprecated', 'archived')),
  note       TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  UNIQUE (project_id, kind, name)
);

-- A version of an object: only its state ever changes.
CREATE TABLE object_version (
  id             BIGINT PRIMARY KEY NOT NULL,
  object_id      BIGINT NOT NULL REFERENCES object (id),
  major          BIGINT NOT NULL,
  minor          BIGINT NOT NULL,
  revision_id    BIGINT NOT NULL REFERENCES revision (id),
  meaning        TEXT NOT NULL,
  interface_hash TEXT NOT NULL,
  value_type     TEXT NOT NULL,
  change_class   TEXT NOT NULL CHECK (change_class IN ('initial', 'compatible', 'behavioural', 'breaking')),
  reason         TEXT NOT NULL,
  source_text    TEXT NOT NULL,
  source_path    TEXT NOT NULL,
  line_from      BIGINT NOT NULL,
  line_to        BIGINT NOT NULL,
  state          TEXT NOT NULL CHECK (state IN ('active', 'superseded', 'retired')),
  created_at     BIGINT NOT NULL,
  created_by     TEXT NOT NULL,
  UNIQUE (object_id, major, minor)
);

-- Which revision answers a version of a service, and where it stands on its way in and out.
CREATE TABLE pin (
  id          BIGINT PRIMARY KEY NOT NULL,
  object_id   BIGINT NOT NULL REFERENCES object (id),
  major       BIGINT NOT NULL,
  revision_id BIGINT NOT NULL REFERENCES revision (id),
  meaning     TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('staged', 'active', 'superseded', 'retired')),
  created_at  BIGINT NOT NULL,
  created_by  TEXT NOT NULL,
  UNIQUE (object_id, major, revision_id)
);

-- What is made of what, as the compiler sees it in a revision.
CREATE TABLE lineage_edge (
  revision_id BIGINT NOT NULL REFERENCES revision (id),
  src_urn     TEXT NOT NULL,
  dst_urn     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  expr_text   TEXT NOT NULL,
  PRIMARY KEY (revision_id, src_urn, dst_urn, kind)
);

CREATE INDEX lineage_edge_dst ON lineage_edge (revision_id, dst_urn);

-- Team truth: what people say of an object; the latest counts.
CREATE TABLE aspect (
  object_id  BIGINT NOT NULL REFERENCES object (id),
  aspect     TEXT NOT NULL,
  version    BIGINT NOT NULL,
  value_json TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (object_id, aspect, version)
);

-- Observed truth.
CREATE TABLE run (
  id          TEXT PRIMARY KEY NOT NULL,
  project_id  BIGINT NOT NULL REFERENCES project (id),
  revision_id BIGINT REFERENCES revision (id),
  kind        TEXT NOT NULL CHECK (kind IN ('materialize', 'load', 'stream', 'train')),
  urn         TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('running', 'completed', 'failed')),
  started_at  BIGINT NOT NULL,
  ended_at    BIGINT,
  rows_in     BIGINT NOT NULL,
  admitted    BIGINT NOT NULL,
  rejected    BIGINT NOT NULL,
  rows_out    BIGINT NOT NULL,
  detail_json TEXT NOT NULL,
  error       TEXT NOT NULL,
  created_by  TEXT NOT NULL,
  -- Every row that came in went one way.
  CHECK (state <> 'completed' OR rows_in = admitted + rejected)
);

CREATE TABLE training_set (
  id            TEXT PRIMARY KEY NOT NULL,
  project_id    BIGINT NOT NULL REFERENCES project (id),
  run_id        TEXT NOT NULL REFERENCES run (id),
  urn           TEXT NOT NULL,
  major         BIGINT NOT NULL,
  revision_id   BIGINT REFERENCES revision (id),
  request_json  TEXT NOT NULL,
  manifest_json TEXT NOT NULL,
  checksum      TEXT NOT NULL,
  row_count     BIGINT NOT NULL,
  location      TEXT NOT NULL,
  created_at    BIGINT NOT NULL,
  created_by    TEXT NOT NULL
);

-- Who may do what.
CREATE TABLE principal (
  id         BIGINT PRIMARY KEY NOT NULL,
  name       TEXT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL
);

CREATE TABLE role_binding (
  principal_id BIGINT NOT NULL REFERENCES principal (id),
  role         TEXT NOT NULL CHECK (role IN ('reader', 'author', 'operator', 'admin')),
  granted_at   BIGINT NOT NULL,
  granted_by   TEXT NOT NULL,
  PRIMARY KEY (principal_id, role)
);

CREATE TABLE api_key (
  id            BIGINT PRIMARY KEY NOT NULL,
  prefix        TEXT NOT NULL UNIQUE,
  argon2id_hash TEXT NOT NULL,
  principal_id  BIGINT NOT NULL REFERENCES principal (id),
  created_at    BIGINT NOT NULL,
  created_by    TEXT NOT NULL,
  expires_at    BIGINT,
  revoked_at    BIGINT
);

-- What happened, for whoever follows along; and who did it, each entry chained to the one before.
CREATE TABLE registry_event (
  seq          BIGINT PRIMARY KEY NOT NULL,
  at           BIGINT NOT NULL,
  kind         TEXT NOT NULL,
  urn          TEXT NOT NULL,
  payload_json TEXT NOT NULL
);

CREATE TABLE audit_log (
  seq       BIGINT PRIMARY KEY NOT NULL,
  at        BIGINT NOT NULL,
  principal TEXT NOT NULL,
  channel   TEXT NOT NULL,
  action    TEXT NOT NULL,
  urn       TEXT NOT NULL,
  decision  TEXT NOT NULL CHECK (decision IN ('allowed', 'refused')),
  detail    TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash      TEXT NOT NULL
);

-- What was published is never changed, whoever asks.

CREATE TRIGGER spec_text_is_fixed BEFORE UPDATE ON spec_text
BEGIN SELECT RAISE(ABORT, 'a text that was applied never changes'); END;
CREATE TRIGGER spec_text_is_kept BEFORE DELETE ON spec_text
BEGIN SELECT RAISE(ABORT, 'a text that was applied is kept'); END;

CREATE TRIGGER revision_is_fixed BEFORE UPDATE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision never changes'); END;
CREATE TRIGGER revision_is_kept BEFORE DELETE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision is kept'); END;

CREATE TRIGGER revision_file_is_fixed BEFORE UPDATE ON revision_file
BEGIN SELECT RAISE(ABORT, 'the files of a revision never change'); END;
CREATE TRIGGER revision_file_is_kept BEFORE DELETE ON revision_file
BEGIN SELECT RAISE(ABORT, 'the files of a revision are kept'); END;

CREATE TRIGGER object_is_fixed BEFORE UPDATE OF id, urn, kind, project_id, parent_id, name, created_at, created_by ON object
BEGIN SELECT RAISE(ABORT, 'who an object is never changes'); END;
CREATE TRIGGER object_is_kept BEFORE DELETE ON object
BEGIN SELECT RAISE(ABORT, 'an object is kept; it can be archived'); END;

CREATE TRIGGER object_version_is_fixed
BEFORE UPDATE OF id, object_id, major, minor, revision_id, meaning, interface_hash, value_type, change_class, reason,
  source_text, source_path, line_from, line_to, created_at, created_by ON object_version
BEGIN SELECT RAISE(ABORT, 'a published version never changes'); END;
CREATE TRIGGER object_version_is_kept BEFORE DELETE ON object_version
BEGIN SELECT RAISE(ABORT, 'a published version is kept; it can be retired'); END;

CREATE TRIGGER pin_is_fixed BEFORE UPDATE OF id, object_id, major, revision_id, meaning, created_at, created_by ON pin
BEGIN SELECT RAISE(ABORT, 'what a pin holds never changes'); END;
CREATE TRIGGER pin_is_kept BEFORE DELETE ON pin
BEGIN SELECT RAISE(ABORT, 'a pin is kept; it can be retired'); END;

CREATE TRIGGER lineage_edge_is_fixed BEFORE UPDATE ON lineage_edge
BEGIN SELECT RAISE(ABORT, 'the lineage of a revision never changes'); END;
CREATE TRIGGER lineage_edge_is_kept BEFORE DELETE ON lineage_edge
BEGIN SELECT RAISE(ABORT, 'the lineage of a revision is kept'); END;

CREATE TRIGGER aspect_is_fixed BEFORE UPDATE ON aspect
BEGIN SELECT RAISE(ABORT, 'what was said is kept: say it anew'); END;

CREATE TRIGGER training_set_is_fixed BEFORE UPDATE ON training_set
BEGIN SELECT RAISE(ABORT, 'a training set never changes'); END;
CREATE TRIGGER training_set_is_kept BEFORE DELETE ON training_set
BEGIN SELECT RAISE(ABORT, 'a training set is kept'); END;

CREATE TRIGGER run_is_over BEFORE UPDATE ON run WHEN OLD.state <> 'running'
BEGIN SELECT RAISE(ABORT, 'a run that has ended never changes'); END;

CREATE TRIGGER registry_event_is_fixed BEFORE UPDATE ON registry_event
BEGIN SELECT RAISE(ABORT, 'what happened never changes'); END;
CREATE TRIGGER registry_event_is_kept BEFORE DELETE ON registry_event
BEGIN SELECT RAISE(ABORT, 'what happened is kept'); END;

CREATE TRIGGER audit_log_is_fixed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log never changes'); END;
CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is kept'); END;

"""What the database itself refuses: changing a READY version, or its files; giving a blob other bytes."""

import django.db.models.deletion
from django.db import migrations, models

GUARD = """
CREATE FUNCTION registry_guard_ready_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- What says nothing about the model itself may change. Every other column, later ones included, may not.
    free text[] := ARRAY['comment', 'updated_at', 'updated_by_id', 'touched_at', 'status_message',
                         'packed_environment_bytes'];
BEGIN
    -- The person who made it, or the version it was copied from, may be deleted.
    IF NEW.created_by_id IS NULL THEN free := free || 'created_by_id'::text; END IF;
    IF NEW.copied_from_id IS NULL THEN free := free || 'copied_from_id'::text; END IF;
    IF to_jsonb(NEW) - free IS DISTINCT FROM to_jsonb(OLD) - free THEN
        RAISE EXCEPTION 'version % of model % is READY and never changes', OLD.version, OLD.model_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER model_version_ready_immutable BEFORE UPDATE ON registry_modelversion
    FOR EACH ROW WHEN (OLD.status = 'READY') EXECUTE FUNCTION registry_guard_ready_version();

CREATE FUNCTION registry_guard_manifest() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_status text;
BEGIN
    -- FOR SHARE waits for a finalize that is about to commit, and then reads what it wrote.
    SELECT status INTO found_status FROM registry_modelversion WHERE id = NEW.version_id FOR SHARE;
    IF found_status = 'READY' THEN
        RAISE EXCEPTION 'version % is READY: its manifest never changes', NEW.version_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.version_id <> OLD.version_id THEN
        RAISE EXCEPTION 'a manifest entry never moves to another version'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER manifest_entry_ready_immutable BEFORE INSERT OR UPDATE ON registry_manifestentry
    FOR EACH ROW EXECUTE FUNCTION registry_guard_manifest();

-- Entries may go only together with their version. The version's row is deleted after them, so this looks at commit.
CREATE FUNCTION registry_guard_manifest_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM registry_modelversion WHERE id = OLD.version_id AND status = 'READY') THEN
        RAISE EXCEPTION 'version % is READY: its manifest never changes', OLD.version_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER manifest_entry_ready_kept AFTER DELETE ON registry_manifestentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION registry_guard_manifest_delete();

CREATE FUNCTION registry_guard_blob() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'blob % never changes', OLD.sha256 USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER blob_immutable BEFORE UPDATE ON registry_blob
    FOR EACH ROW WHEN (NEW.sha256 IS DISTINCT FROM OLD.sha256 OR NEW.size IS DISTINCT FROM OLD.size)
    EXECUTE FUNCTION registry_guard_blob();
"""

UNGUARD = """
DROP TRIGGER blob_immutable ON registry_blob;
DROP FUNCTION registry_guard_blob();
DROP TRIGGER manifest_entry_ready_kept ON registry_manifestentry;
DROP FUNCTION registry_guard_manifest_delete();
DROP TRIGGER manifest_entry_ready_immutable ON registry_manifestentry;
DROP FUNCTION registry_guard_manifest();
DROP TRIGGER model_version_ready_immutable ON registry_modelversion;
DROP FUNCTION registry_guard_ready_version();
"""


class Migration(migrations.Migration):
    """READY means for ever."""

    dependencies = [("registry", "0002_guards")]

    operations = [
        migrations.AddField(
            model_name="multipartupload",
            name="completed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="multipartupload",
            name="version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="uploads",
                to="registry.modelversion",
            ),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]

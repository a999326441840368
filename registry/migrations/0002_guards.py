"""What the database itself refuses: changing or deleting audit rows, and rewriting the history of aliases."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION registry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Test databases are emptied between tests; a product database never sets this.
    IF current_setting('modelkeep.allow_truncate', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION 'rows of % are append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON registry_auditevent
    FOR EACH ROW EXECUTE FUNCTION registry_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON registry_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_change();
CREATE TRIGGER alias_history_append_only BEFORE UPDATE ON registry_aliasmove
    FOR EACH ROW WHEN (NEW.moved_by_id IS NOT DISTINCT FROM OLD.moved_by_id)
    EXECUTE FUNCTION registry_refuse_change();
"""

ALLOW = """
DROP TRIGGER alias_history_append_only ON registry_aliasmove;
DROP TRIGGER audit_no_truncate ON registry_auditevent;
DROP TRIGGER audit_append_only ON registry_auditevent;
DROP FUNCTION registry_refuse_change();
"""


class Migration(migrations.Migration):
    """Append-only tables are append-only for everybody."""

    dependencies = [("registry", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]

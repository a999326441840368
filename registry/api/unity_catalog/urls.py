"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from registry.api.unity_catalog import (
    catalogs,
    metastores,
    models,
    permissions,
    tables,
    tag_assignments,
    tag_policies,
    versions,
)
from registry.api.unity_catalog.absent import absent_routes

_PREFIX = r"^api/2\.[01]/unity-catalog/"
_ACCESS_CONTROL = r"^api/2\.0/preview/accounts/access-control/"
_NAME = r"(?P<full_name>[^/]+)"
_ALIAS = r"(?P<alias>[^/]+)"
_VERSION = r"(?P<version>[^/]+)"
_TYPE = r"(?P<securable_type>[^/]+)"
_ENTITY = r"entity-tag-assignments/(?P<entity_type>[^/]+)/(?P<entity_name>[^/]+)/tags"

# MLflow's client asks for tables under 2.0, everything else is asked for under 2.1; both are the same here.
urlpatterns = [
    re_path(_PREFIX + path + r"/?$", view.as_view())
    for path, view in [
        ("metastore_summary", metastores.MetastoreSummary),
        ("current-metastore-assignment", metastores.MetastoreAssignment),
        ("metastores", metastores.Metastores),
        (r"metastores/(?P<metastore_id>[^/]+)", metastores.Metastore),
        ("catalogs", catalogs.Catalogs),
        (r"catalogs/(?P<name>[^/]+)", catalogs.Catalog),
        ("schemas", catalogs.Schemas),
        (f"schemas/{_NAME}", catalogs.Schema),
        ("tables", tables.Tables),
        (f"tables/{_NAME}", tables.Table),
        (f"tables/{_NAME}/exists", tables.TableExists),
        ("table-summaries", tables.TableSummaries),
        ("models", models.Models),
        ("models/versions", versions.Create),
        (f"models/{_NAME}", models.Model),
        (f"models/{_NAME}/versions", versions.Versions),
        (f"models/{_NAME}/versions/{_VERSION}", versions.Version),
        (f"models/{_NAME}/versions/{_VERSION}/finalize", versions.Finalize),
        (f"models/{_NAME}/aliases/{_ALIAS}", models.Alias),
        ("temporary-model-version-credentials", versions.Credentials),
        (f"permissions/{_TYPE}/{_NAME}", permissions.Permissions),
        (f"effective-permissions/{_TYPE}/{_NAME}", permissions.EffectivePermissions),
        (f"privilege-assignments/{_TYPE}/{_NAME}", permissions.PrivilegeAssignments),
        (f"effective-privilege-assignments/{_TYPE}/{_NAME}", permissions.EffectiveAssignments),
        ("entity-tag-assignments", tag_assignments.Assignments),
        (_ENTITY, tag_assignments.EntityTags),
        (f"{_ENTITY}/(?P<tag_key>[^/]+)", tag_assignments.EntityTag),
        (f"securable-tags/{_TYPE}/{_NAME}", permissions.SecurableTags),
        (rf"subentity-tags/{_TYPE}/{_NAME}/(?P<subentity>[^/]+)", permissions.SubentityTags),
    ]
] + [
    *(re_path(_PREFIX + path + r"/?$", view) for path, view in absent_routes()),
    re_path(r"^api/2\.1/tag-policies/?$", tag_policies.TagPolicies.as_view()),
    re_path(r"^api/2\.1/tag-policies/(?P<tag_key>[^/]+)/?$", tag_policies.OneTagPolicy.as_view()),
    re_path(_ACCESS_CONTROL + r"rule-sets/?$", tag_policies.RuleSets.as_view()),
    re_path(_ACCESS_CONTROL + r"assignable-roles/?$", tag_policies.AssignableRoles.as_view()),
]

"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from registry.api.unity_catalog import catalogs, models, permissions, tables, versions

_PREFIX = r"^api/2\.[01]/unity-catalog/"
_NAME = r"(?P<full_name>[^/]+)"
_ALIAS = r"(?P<alias>[^/]+)"
_VERSION = r"(?P<version>[^/]+)"
_TYPE = r"(?P<securable_type>[^/]+)"

# MLflow's client asks for tables under 2.0, everything else is asked for under 2.1; both are the same here.
urlpatterns = [
    re_path(_PREFIX + path + r"/?$", view.as_view())
    for path, view in [
        ("metastore_summary", catalogs.MetastoreSummary),
        ("current-metastore-assignment", catalogs.MetastoreAssignment),
        ("catalogs", catalogs.Catalogs),
        (r"catalogs/(?P<name>[^/]+)", catalogs.Catalog),
        ("schemas", catalogs.Schemas),
        (f"schemas/{_NAME}", catalogs.Schema),
        ("tables", tables.Tables),
        (f"tables/{_NAME}", tables.Table),
        (f"tables/{_NAME}/exists", tables.TableExists),
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
        (f"securable-tags/{_TYPE}/{_NAME}", permissions.SecurableTags),
        (rf"subentity-tags/{_TYPE}/{_NAME}/(?P<subentity>[^/]+)", permissions.SubentityTags),
    ]
]

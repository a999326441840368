"""The addresses of catalogs, schemas and tables, and of the dialogs that make and change them."""

from django.urls import path

from registry.web import catalogs, copies, creation, objects, schemas, table_uploads, tables, tags

_OBJECT = "explore/edit/<str:kind>/<str:full_name>"

urlpatterns = [
    path("explore/data", catalogs.catalogs, name="catalogs"),
    path("explore/data/<str:catalog>", catalogs.catalog_page, name="catalog"),
    path("explore/data/<str:catalog>/<str:schema>", schemas.schema_page, name="schema"),
    path("explore/data/<str:catalog>/<str:schema>/<str:table>", tables.table_page, name="table"),
    path("explore/sample/<str:catalog>/<str:schema>/<str:table>", tables.table_sample, name="table-sample"),
    path("explore/upload", table_uploads.upload_page, name="upload-table"),
    path("explore/upload/rows", table_uploads.upload, name="upload-rows"),
    path("explore/new/catalog", creation.new_catalog, name="new-catalog"),
    path("explore/new/schema", creation.new_schema, name="new-schema"),
    path("explore/new/model", creation.new_model, name="new-model"),
    path("explore/places/<str:kind>", creation.places, name="places"),
    path("explore/copy", copies.copy, name="copy-version"),
    path("explore/copy/plan", copies.plan, name="copy-plan"),
    path("explore/copy/sources", copies.sources, name="copy-sources"),
    path("explore/copy/destinations", copies.destinations, name="copy-destinations"),
    path(f"{_OBJECT}/description", objects.describe, name="describe-object"),
    path(f"{_OBJECT}/tags", tags.tag_object, name="tag-object"),
    path(f"{_OBJECT}/tags/remove", tags.untag_object, name="untag-object"),
    path(f"{_OBJECT}/name", objects.rename, name="rename-object"),
    path(f"{_OBJECT}/delete", objects.delete, name="delete-object"),
]

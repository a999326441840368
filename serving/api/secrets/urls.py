"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from serving.api.secrets import views

urlpatterns = [
    re_path(rf"^api/2\.0/secrets/{path}/?$", view.as_view())
    for path, view in [
        ("scopes/create", views.CreateScope),
        ("scopes/list", views.ListScopes),
        ("scopes/delete", views.DeleteScope),
        ("put", views.PutSecret),
        ("delete", views.DeleteSecret),
        ("list", views.ListSecrets),
        ("get", views.GetSecret),
        ("acls/put", views.PutAcl),
        ("acls/get", views.GetAcl),
        ("acls/list", views.ListAcls),
        ("acls/delete", views.DeleteAcl),
    ]
]

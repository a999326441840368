"""The addresses of users, groups, service principals and governed tags under Settings."""

from django.urls import path

from registry.web import governed_tags, groups, people, service_principals, users

_ANY = "settings/principals/<int:principal_id>"
_GROUP = "settings/groups/<int:principal_id>"
_TAG = "settings/governed-tags/tag/<str:tag_key>"
_SERVICE = "settings/service-principals/<int:principal_id>"

urlpatterns = [
    path("settings/users", users.users, name="users"),
    path("settings/users/new", users.new_user, name="new-user"),
    path("settings/users/<int:principal_id>", users.user_page, name="user"),
    path("settings/users/<int:principal_id>/password", users.new_password, name="reset-password"),
    path("settings/groups", groups.groups, name="groups"),
    path("settings/groups/new", groups.new_group, name="new-group"),
    path(_GROUP, groups.group_page, name="group"),
    path(f"{_GROUP}/add", groups.add_member, name="add-member"),
    path(f"{_GROUP}/remove", groups.remove_member, name="remove-member"),
    path("settings/service-principals", service_principals.service_principals, name="service-principals"),
    path("settings/service-principals/new", service_principals.new_service_principal, name="new-service-principal"),
    path(_SERVICE, service_principals.service_principal_page, name="service-principal"),
    path(f"{_SERVICE}/secrets/new", service_principals.new_secret, name="new-secret"),
    path(f"{_SERVICE}/secrets/<uuid:secret_id>/delete", service_principals.end_secret, name="end-secret"),
    path(f"{_ANY}/edit", people.edit, name="edit-principal"),
    path(f"{_ANY}/active", people.set_active, name="principal-active"),
    path(f"{_ANY}/delete", people.delete, name="delete-principal"),
    path(f"{_ANY}/join", groups.join_group, name="join-group"),
    path("settings/governed-tags", governed_tags.governed_tags, name="governed-tags"),
    path("settings/governed-tags/new", governed_tags.new_governed_tag, name="new-governed-tag"),
    path(_TAG, governed_tags.governed_tag, name="governed-tag"),
    path(f"{_TAG}/edit", governed_tags.edit_governed_tag, name="edit-governed-tag"),
    path(f"{_TAG}/delete", governed_tags.delete_governed_tag, name="delete-governed-tag"),
    path(f"{_TAG}/roles/add", governed_tags.add_role, name="add-tag-role"),
    path(f"{_TAG}/roles/remove", governed_tags.remove_role, name="remove-tag-role"),
]

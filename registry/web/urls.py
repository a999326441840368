"""The addresses of the screens. Stock clients print those of models and versions."""

from django.urls import include, path

from registry.web import explore, keyboard, palette, profile, sign_in, tree

urlpatterns = [
    path("", explore.home, name="home"),
    path("sign-in", sign_in.sign_in_page, name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("profile", profile.profile_page, name="profile"),
    path("profile/password", sign_in.password_page, name="password"),
    path("profile/tokens", profile.make_token, name="make-token"),
    path("profile/tokens/<uuid:token_id>/revoke", profile.end_token, name="end-token"),
    path("search", palette.results, name="palette"),
    path("keys", keyboard.keys, name="keys"),
    path("explore/tree", tree.catalogs, name="tree"),
    path("explore/tree/<str:catalog>", tree.schemas, name="tree-catalog"),
    path("explore/tree/<str:catalog>/<str:schema>", tree.objects, name="tree-schema"),
    path("", include("registry.web.model_urls")),
    path("", include("registry.web.object_urls")),
    path("", include("registry.web.experiment_urls")),
    path("", include("registry.web.permission_urls")),
    path("", include("registry.web.work_urls")),
    path("", include("registry.web.people_urls")),
]

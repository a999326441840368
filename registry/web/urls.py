"""The addresses of the screens. Stock clients print those of models and versions."""

from django.urls import include, path

from registry.web import home, keyboard, palette, sign_in, tree

urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in", sign_in.sign_in_page, name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("profile/password", sign_in.password_page, name="password"),
    path("search", palette.results, name="palette"),
    path("keys", keyboard.keys, name="keys"),
    path("explore/tree", tree.catalogs, name="tree"),
    path("explore/tree/<str:catalog>", tree.schemas, name="tree-catalog"),
    path("explore/tree/<str:catalog>/<str:schema>", tree.schema_objects, name="tree-schema"),
    path("", include("registry.web.model_urls")),
    path("", include("registry.web.object_urls")),
    path("", include("registry.web.experiment_urls")),
    path("", include("registry.web.permission_urls")),
    path("", include("registry.web.settings_urls")),
    path("", include("registry.web.people_urls")),
    path("", include("registry.web.work_urls")),
]

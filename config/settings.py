"""Every setting of the product. Values that differ between installations come from the environment."""

import os
from pathlib import Path

import dj_database_url

from config.stack.storage import tracking_root

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str, *, default: bool) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}


NUMBER_DEFAULTS: dict[str, int] = {}
"""What each variable with a number is when the environment does not say: the screens show both."""


def _number(name: str, default: int) -> int:
    NUMBER_DEFAULTS[name] = default
    return int(os.environ.get(name, default))


DATA_DIR = Path(os.environ.get("MODELKEEP_DATA_DIR", BASE_DIR / ".modelkeep")).resolve()
SECRET_KEY = os.environ.get("MODELKEEP_SECRET_KEY", "")
DEBUG = _flag("MODELKEEP_DEBUG", default=False)
PUBLIC_URL = os.environ.get("MODELKEEP_PUBLIC_URL", "")
"""Where clients reach this installation; empty: taken from each request's Host header."""
ALLOWED_HOSTS = [host for host in os.environ.get("MODELKEEP_ALLOWED_HOSTS", "*").split(",") if host]

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "registry.apps.RegistryConfig",
    "serving.apps.ServingConfig",
    "monitoring.apps.MonitoringConfig",
    "registry.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "heroicons",
    "rest_framework",
]

MIDDLEWARE = [
    "registry.web.compression.CompressionMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "registry.api.request_context.RequestContextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
# API clients lose their POST body on a redirect, so no path is ever redirected to its slashed twin.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "registry.web.context.shell",
            ],
            "libraries": {
                "screens": "registry.web.template_tags",
                "lists": "registry.web.list_tags",
                "versions": "registry.web.version_tags",
                "work": "registry.web.work_tags",
                "quality": "monitoring.web.template_tags",
                "serving": "serving.web.template_tags",
            },
        },
    },
]

_DATABASE = dj_database_url.parse(os.environ.get("DATABASE_URL", "postgres:///modelkeep"))
DATABASES = {
    "default": {
        **_DATABASE,
        # One connection a worker thread, kept open: a request pays no connection set-up.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **_DATABASE.get("OPTIONS", {}),
            # Statements that a connection repeats keep their plan. 0 behind a pooler that changes connections.
            "prepare_threshold": _number("MODELKEEP_PREPARE_THRESHOLD", 3) or None,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "registry.Principal"
LOGIN_URL = "/sign-in"
CSRF_FAILURE_VIEW = "registry.web.errors.csrf_failure"
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL.startswith("https://") else []
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PUBLIC_URL.startswith("https://") else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        # blob: is what a chart is drawn into before it is saved as a picture.
        "img-src": ["'self'", "data:", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "registry.web.package_files.PackageFileFinder",
]
# Served straight from the packages: there is no folder to collect into.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["registry.api.authentication.CredentialAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["registry.api.wire.LenientJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["registry.api.wire.AnyAcceptJSONRenderer"],
    "EXCEPTION_HANDLER": "registry.api.wire.exception_handler",
    "UNAUTHENTICATED_USER": None,
    # `format` in a query is a parameter like any other.
    "URL_FORMAT_OVERRIDE": None,
}
# A JSON body beyond this is refused; files travel through their own streaming views and never sit in memory.
DATA_UPLOAD_MAX_MEMORY_SIZE = _number("MODELKEEP_MAX_JSON_BYTES", 16 * 1024 * 1024)

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("MODELKEEP_LOG_LEVEL", "INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}

# --- The product's own figures ------------------------------------------------------------------------

WORKSPACE_ID = os.environ.get("MODELKEEP_WORKSPACE_ID", "7474000000000001")
"""Sent to clients as x-databricks-org-id; a run's version remembers it."""
DEFAULT_CATALOG = os.environ.get("MODELKEEP_DEFAULT_CATALOG", "")
"""With DEFAULT_SCHEMA: one-part model names resolve against it. Empty: names need all three levels."""
DEFAULT_SCHEMA = os.environ.get("MODELKEEP_DEFAULT_SCHEMA", "default")

ARTIFACT_ROOT = os.environ.get("ARTIFACT_ROOT", str(DATA_DIR / "artifacts"))
"""Where versions keep their files: a folder, or s3://bucket/prefix."""
TRACKING_ROOT = tracking_root(os.environ, default=str(DATA_DIR / "tracking"))
"""Where runs and logged models keep their files; the MLflow server is given the same place."""
S3_ENDPOINT_URL = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
"""Where an S3-compatible store answers; empty: AWS. Credentials and region come from the AWS_… variables as well."""
S3_PUBLIC_ENDPOINT_URL = os.environ.get("MODELKEEP_S3_PUBLIC_ENDPOINT_URL", "")
"""Where clients reach it, when they use another address than we do."""
S3_LINKS = _flag("MODELKEEP_S3_LINKS", default=True)
"""Whether clients read and write files at the object store itself, with links that we sign. Off: all through us."""
MLFLOW_SOCKET = os.environ.get("MODELKEEP_MLFLOW_SOCKET", str(DATA_DIR / "run" / "mlflow.sock"))
MLFLOW_URL = os.environ.get("MODELKEEP_MLFLOW_URL", "http://mlflow")
"""Base URL spoken over MLFLOW_SOCKET; another host when the socket setting is empty."""

MAX_ALIASES_PER_MODEL = _number("MODELKEEP_MAX_ALIASES_PER_MODEL", 10)
MAX_ALIAS_LENGTH = 255
MAX_TAGS_PER_OBJECT = _number("MODELKEEP_MAX_TAGS_PER_OBJECT", 50)
MAX_TAG_KEY_LENGTH = 255
MAX_TAG_VALUE_LENGTH = 1000
MAX_FILE_BYTES = _number("MODELKEEP_MAX_FILE_BYTES", 100 * 1024**3)
MAX_FILES_PER_VERSION = _number("MODELKEEP_MAX_FILES_PER_VERSION", 10_000)
MAX_MLMODEL_BYTES = 4 * 1024**2
SIGNED_URL_SECONDS = _number("MODELKEEP_SIGNED_URL_SECONDS", 900)
TEMPORARY_CREDENTIALS_SECONDS = _number("MODELKEEP_TEMPORARY_CREDENTIALS_SECONDS", 3600)
"""How long credentials for the S3 door are good, at most an hour; what is revoked is refused at once all the same."""
S3_DOOR_BUCKET = os.environ.get("MODELKEEP_S3_DOOR_BUCKET", "modelkeep")
"""The bucket's name at our own S3 door, `/s3/<bucket>/…`; not the store that ARTIFACT_ROOT names."""
PENDING_VERSION_HOURS = _number("MODELKEEP_PENDING_VERSION_HOURS", 24)
"""A version still PENDING_REGISTRATION without an upload for this long is failed by the reaper."""
BLOB_GRACE_SECONDS = _number("MODELKEEP_BLOB_GRACE_SECONDS", 3600)
"""An unreferenced blob younger than this is left alone by the sweep."""
PACKED_ENVIRONMENT_MAX_BYTES = _number("MODELKEEP_PACKED_ENVIRONMENT_MAX_BYTES", 1024**3)

EXPERIMENT_DEFAULT_ACCESS = os.environ.get("MODELKEEP_EXPERIMENT_DEFAULT_ACCESS", "PRIVATE")
"""PRIVATE: a new experiment is its creator's alone. Or a level that all account users then get."""
EXPERIMENT_SHARED_PREFIX = os.environ.get("MODELKEEP_EXPERIMENT_SHARED_PREFIX", "/Shared/")
EXPERIMENT_SHARED_ACCESS = os.environ.get("MODELKEEP_EXPERIMENT_SHARED_ACCESS", "CAN_EDIT")
EXPERIMENT_ZERO_ACCESS = os.environ.get("MODELKEEP_EXPERIMENT_ZERO_ACCESS", "CAN_EDIT")
"""What all account users get on the tracking server's own Default experiment; PRIVATE closes it."""

TABLE_ROOT = os.environ.get("MODELKEEP_TABLE_ROOT", str(DATA_DIR / "tables"))
"""Where managed tables keep their Delta files, one folder a table."""
SQL_ROOT = os.environ.get("MODELKEEP_SQL_ROOT", str(DATA_DIR / "sql"))
"""Where results of SQL statements lie until they expire."""
SQL_STATEMENT_SECONDS = _number("MODELKEEP_SQL_STATEMENT_SECONDS", 300)
SQL_QUEUE_SECONDS = _number("MODELKEEP_SQL_QUEUE_SECONDS", 60)
SQL_CONCURRENCY = _number("MODELKEEP_SQL_CONCURRENCY", 4)
"""How many queries run at a time for one web process; others wait in a queue for SQL_QUEUE_SECONDS."""
SQL_CALLERS = _number("MODELKEEP_SQL_CALLERS", 16)
"""How many calls to one web process may wait for a statement, each on a thread of its own."""
SQL_STATEMENTS_PER_USER = _number("MODELKEEP_SQL_STATEMENTS_PER_USER", 8)
SQL_MEMORY_BYTES = _number("MODELKEEP_SQL_MEMORY_BYTES", 1024**3)
SQL_THREADS = _number("MODELKEEP_SQL_THREADS", 2)
SQL_MAX_TEXT_BYTES = _number("MODELKEEP_SQL_MAX_TEXT_BYTES", 256 * 1024)
SQL_MAX_RESULT_ROWS = _number("MODELKEEP_SQL_MAX_RESULT_ROWS", 1_000_000)
SQL_MAX_RESULT_BYTES = _number("MODELKEEP_SQL_MAX_RESULT_BYTES", 256 * 1024**2)
SQL_MAX_INLINE_BYTES = _number("MODELKEEP_SQL_MAX_INLINE_BYTES", 25 * 1024**2)
SQL_MAX_TABLE_FILE_BYTES = _number("MODELKEEP_SQL_MAX_TABLE_FILE_BYTES", 4 * 1024**3)
SQL_MAX_AUDIT_ROWS = _number("MODELKEEP_SQL_MAX_AUDIT_ROWS", 200_000)
"""How many rows of system.access.audit one statement may look at; a condition on event_date makes them fewer."""
SQL_RESULT_SECONDS = _number("MODELKEEP_SQL_RESULT_SECONDS", 3600)
SQL_STATEMENT_DAYS = _number("MODELKEEP_SQL_STATEMENT_DAYS", 7)
"""How long a statement that is over, its text included, stays known after it was sent; 0: for ever."""

WEBHOOK_NETWORKS = [n.strip() for n in os.environ.get("MODELKEEP_WEBHOOK_NETWORKS", "").split(",") if n.strip()]
"""Networks besides the public internet that webhooks may reach, as 10.1.0.0/16; all others inside are refused."""
MAX_WEBHOOKS_PER_SCOPE = _number("MODELKEEP_MAX_WEBHOOKS_PER_SCOPE", 50)
WEBHOOK_TIMEOUT_SECONDS = _number("MODELKEEP_WEBHOOK_TIMEOUT_SECONDS", 15)
"""How long one attempt may take from connecting to the last byte of the answer."""
WEBHOOK_MAX_ATTEMPTS = _number("MODELKEEP_WEBHOOK_MAX_ATTEMPTS", 8)
WEBHOOK_RETRY_SECONDS = _number("MODELKEEP_WEBHOOK_RETRY_SECONDS", 10)
"""The first pause before another attempt; each later one is three times as long, up to WEBHOOK_MAX_RETRY_SECONDS."""
WEBHOOK_MAX_RETRY_SECONDS = _number("MODELKEEP_WEBHOOK_MAX_RETRY_SECONDS", 6 * 3600)
WEBHOOK_LOG_DAYS = _number("MODELKEEP_WEBHOOK_LOG_DAYS", 30)
"""How long a delivery that is over stays in the log."""

AI_URL = os.environ.get("MODELKEEP_AI_URL", "")
"""An OpenAI-compatible API, as https://host/v1, that drafts descriptions when somebody asks for it; empty: none."""
AI_KEY = os.environ.get("MODELKEEP_AI_KEY", "")
AI_MODEL = os.environ.get("MODELKEEP_AI_MODEL", "gpt-4o-mini")
AI_TIMEOUT_SECONDS = _number("MODELKEEP_AI_TIMEOUT_SECONDS", 30)

EMAIL_HOST = os.environ.get("MODELKEEP_SMTP_HOST", "")
"""The server that takes e-mail; empty: notices by e-mail fail and say so."""
EMAIL_PORT = _number("MODELKEEP_SMTP_PORT", 587)
EMAIL_HOST_USER = os.environ.get("MODELKEEP_SMTP_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("MODELKEEP_SMTP_PASSWORD", "")
EMAIL_USE_SSL = _flag("MODELKEEP_SMTP_SSL", default=False)
EMAIL_USE_TLS = _flag("MODELKEEP_SMTP_STARTTLS", default=not EMAIL_USE_SSL)
EMAIL_TIMEOUT = WEBHOOK_TIMEOUT_SECONDS
DEFAULT_FROM_EMAIL = os.environ.get("MODELKEEP_SMTP_FROM", "modelkeep@localhost")

OPERATION_LEASE_SECONDS = _number("MODELKEEP_OPERATION_LEASE_SECONDS", 30)
OPERATION_HEARTBEAT_SECONDS = _number("MODELKEEP_OPERATION_HEARTBEAT_SECONDS", 5)
OPERATION_MAX_ATTEMPTS = _number("MODELKEEP_OPERATION_MAX_ATTEMPTS", 5)
OPERATION_CANCEL_GRACE_SECONDS = _number("MODELKEEP_OPERATION_CANCEL_GRACE_SECONDS", 30)
OPERATION_SWEEP_SECONDS = _number("MODELKEEP_OPERATION_SWEEP_SECONDS", 10)
OPERATION_DAYS = _number("MODELKEEP_OPERATION_DAYS", 30)
"""How long an operation that is over stays known, with its log; 0: for ever."""

SERVING_ROOT = os.environ.get("MODELKEEP_SERVING_ROOT", str(DATA_DIR / "serving"))
"""Where serving keeps environments, model files, logs, routes and the spool of inference tables."""
SERVING_SOCKETS = os.environ.get("MODELKEEP_SERVING_SOCKETS", str(Path(SERVING_ROOT) / "sockets"))
"""Where replicas listen; a path that leaves room below the 107 bytes that a Unix socket may have."""
SERVING_TIMEOUT_SECONDS = _number("MODELKEEP_SERVING_TIMEOUT_SECONDS", 120)
"""How long a model may take for one request."""
SERVING_MAX_BODY_BYTES = _number("MODELKEEP_SERVING_MAX_BODY_BYTES", 16 * 1024**2)
SERVING_DEPLOY_SECONDS = _number("MODELKEEP_SERVING_DEPLOY_SECONDS", 3600)
"""How long a configuration may take from being asked for to answering."""
SERVING_MEMORY_BYTES_PER_UNIT = _number("MODELKEEP_SERVING_MEMORY_BYTES_PER_UNIT", 4 * 1024**3)
SERVING_UNITS_PER_REPLICA = _number("MODELKEEP_SERVING_UNITS_PER_REPLICA", 4)
"""How many requests one replica works on at a time; an entity gets as many replicas as its concurrency takes."""
SERVING_TMP_BYTES = _number("MODELKEEP_SERVING_TMP_BYTES", 512 * 1024**2)
"""How much a replica may write to its private /tmp, which is gone with it."""
SERVING_ALLOW_NETWORK = _flag("MODELKEEP_SERVING_ALLOW_NETWORK", default=False)
"""Whether models may open connections, to this machine's own services too."""
SERVING_LOAD_SECONDS = _number("MODELKEEP_SERVING_LOAD_SECONDS", 600)
"""How long a model may take to load and to predict its input example."""
SERVING_START_ATTEMPTS = _number("MODELKEEP_SERVING_START_ATTEMPTS", 3)
"""How often a replica that never answered is started, until its served entity has failed."""
SERVING_SPARES = _number("MODELKEEP_SERVING_SPARES", 4)
"""How many environments in use have a process ready to become the next replica; 0: none, and less memory."""
SERVING_SCALE_DOWN_SECONDS = _number("MODELKEEP_SERVING_SCALE_DOWN_SECONDS", 300)
SERVING_SCALE_TO_ZERO_SECONDS = _number("MODELKEEP_SERVING_SCALE_TO_ZERO_SECONDS", 1800)
SERVING_CAPTURE_SECONDS = _number("MODELKEEP_SERVING_CAPTURE_SECONDS", 5)
"""How often what gateways spooled is added to the inference tables."""
SERVING_SPOOL_BYTES = _number("MODELKEEP_SERVING_SPOOL_BYTES", 4 * 1024**3)
"""How much may wait for one inference table; what comes beyond is answered and not kept, which is told."""
SERVING_WHEELS = os.environ.get("MODELKEEP_SERVING_WHEELS", "")
"""A folder of wheels that environments are built from besides, or without, a package index."""
SERVING_UV_CACHE = os.environ.get("MODELKEEP_SERVING_UV_CACHE", str(Path(SERVING_ROOT) / "uv-cache"))
"""Where packages are kept between builds. On the file system of SERVING_ROOT environments cost no more disk."""
SERVING_INDEX_URL = os.environ.get("MODELKEEP_SERVING_INDEX_URL", "")
"""The package index that environments are built from; empty: the public one."""
SERVING_NO_INDEX = _flag("MODELKEEP_SERVING_NO_INDEX", default=False)
"""Environments are built from SERVING_WHEELS alone."""
SERVING_SOURCE_BUILDS = _flag("MODELKEEP_SERVING_SOURCE_BUILDS", default=False)
"""Whether packages without a wheel may be built: that runs their own code, unconfined, on this machine."""
SERVING_NEAREST_PYTHON = _flag("MODELKEEP_SERVING_NEAREST_PYTHON", default=False)
"""Whether a model whose Python is not installed gets the one nearest to it."""
SERVING_BUILD_SECONDS = _number("MODELKEEP_SERVING_BUILD_SECONDS", 1800)
"""How long one step of making an environment may take."""
SERVING_RESOLUTION_HOURS = _number("MODELKEEP_SERVING_RESOLUTION_HOURS", 24 * 30)
"""How long the same requirement lines keep the packages that they were resolved to; 0: for ever."""
SERVING_UNUSED_DAYS = _number("MODELKEEP_SERVING_UNUSED_DAYS", 14)
"""Environments and model files that nobody used for so long are taken off the disk."""

MONITORING_ROOT = os.environ.get("MODELKEEP_MONITORING_ROOT", str(DATA_DIR / "monitoring"))
"""Where monitors keep the profiles that their refreshes build on; what is lost there is computed again."""
MAX_ALERTS_PER_OWNER = _number("MODELKEEP_MAX_ALERTS_PER_OWNER", 1000)
ALERT_SQL_SECONDS = _number("MODELKEEP_ALERT_SQL_SECONDS", 120)
"""How long the query of an alert may take."""
ALERT_LOG_DAYS = _number("MODELKEEP_ALERT_LOG_DAYS", 90)
"""How long it stays known what an evaluation of an alert found."""
MAX_UPLOAD_BYTES = _number("MODELKEEP_MAX_UPLOAD_BYTES", 4 * 1024**3)
"""How large a CSV or Parquet file may be that becomes rows of a table."""
MONITOR_LOOKBACK_DAYS = _number("MODELKEEP_MONITOR_LOOKBACK_DAYS", 30)
"""How far back a new monitor measures, and how late data may come to change a window."""
MONITOR_EXACT_ROWS = _number("MODELKEEP_MONITOR_EXACT_ROWS", 4_000_000)
"""Up to so many rows a window is measured exactly, and beyond in sketches; at least 1."""

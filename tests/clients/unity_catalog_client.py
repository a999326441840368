"""A catalog as unitycatalog-client sees it. Runs in a process of its own with nothing but that package.

Usage: python unity_catalog_client.py SCHEMA. Prints a line a step: `ok NAME`, or `failed NAME` behind the traceback.
"""

import asyncio
import contextlib
import os
import sys
import traceback

from unitycatalog.client import ApiClient, Configuration, models
from unitycatalog.client.api.catalogs_api import CatalogsApi
from unitycatalog.client.api.credentials_api import CredentialsApi
from unitycatalog.client.api.external_locations_api import ExternalLocationsApi
from unitycatalog.client.api.functions_api import FunctionsApi
from unitycatalog.client.api.grants_api import GrantsApi
from unitycatalog.client.api.metastores_api import MetastoresApi
from unitycatalog.client.api.model_versions_api import ModelVersionsApi
from unitycatalog.client.api.registered_models_api import RegisteredModelsApi
from unitycatalog.client.api.schemas_api import SchemasApi
from unitycatalog.client.api.tables_api import TablesApi
from unitycatalog.client.api.temporary_credentials_api import TemporaryCredentialsApi
from unitycatalog.client.api.volumes_api import VolumesApi
from unitycatalog.client.exceptions import ApiException

SCHEMA = sys.argv[1]
CATALOG = f"made_by_{SCHEMA.partition('.')[2]}"
MODEL = f"{CATALOG}.ml.ranker"
HOST, TOKEN = os.environ["DATABRICKS_HOST"], os.environ["MLFLOW_UC_OSS_TOKEN"]
steps = []


def step(function):
    steps.append(function)
    return function


async def refused(call, status, code, *words):
    found = None
    try:
        await call
    except ApiException as error:
        found = error
    assert found is not None, "was not refused"
    assert found.status == status, (found.status, found.body)
    assert f'"error_code":"{code}"' in found.body.replace(": ", ":"), found.body
    for word in words:
        assert word in found.body, found.body


@step
async def the_metastore_is_told(api):
    assert (await MetastoresApi(api).summary()).metastore_id


@step
async def catalogs_and_schemas_are_made_listed_changed(api):
    catalogs, schemas = CatalogsApi(api), SchemasApi(api)
    made = await catalogs.create_catalog(models.CreateCatalog(name=CATALOG, comment="ours", properties={"a": "b"}))
    assert (made.name, made.comment, made.properties) == (CATALOG, "ours", {"a": "b"})
    assert CATALOG in [one.name for one in (await catalogs.list_catalogs(max_results=100)).catalogs]
    changed = await catalogs.update_catalog(CATALOG, models.UpdateCatalog(comment="theirs"))
    assert (await catalogs.get_catalog(CATALOG)).comment == changed.comment == "theirs"
    made = await schemas.create_schema(models.CreateSchema(name="ml", catalog_name=CATALOG))
    assert made.full_name == f"{CATALOG}.ml"
    assert [one.name for one in (await schemas.list_schemas(CATALOG)).schemas] == ["ml"]
    changed = await schemas.update_schema(f"{CATALOG}.ml", models.UpdateSchema(comment="models"))
    assert (await schemas.get_schema(f"{CATALOG}.ml")).comment == changed.comment == "models"


@step
async def a_model_is_made_listed_changed(api):
    registered = RegisteredModelsApi(api)
    new = models.CreateRegisteredModel(name="ranker", catalog_name=CATALOG, schema_name="ml", comment="ranks")
    made = await registered.create_registered_model(new)
    assert (made.full_name, made.comment) == (MODEL, "ranks")
    assert made.storage_location.startswith("s3://modelkeep/")
    listed = await registered.list_registered_models(catalog_name=CATALOG, schema_name="ml")
    assert [one.full_name for one in listed.registered_models] == [MODEL]
    await registered.update_registered_model(MODEL, models.UpdateRegisteredModel(comment="ranks well"))
    assert (await registered.get_registered_model(MODEL)).comment == "ranks well"
    await refused(registered.create_registered_model(new), 400, "RESOURCE_ALREADY_EXISTS", MODEL)
    await refused(registered.get_registered_model(f"{CATALOG}.ml.none"), 404, "RESOURCE_DOES_NOT_EXIST")


@step
async def a_version_is_made_and_its_files_are_written_by_s3(api):
    import boto3

    versions, place = ModelVersionsApi(api), {"catalog_name": CATALOG, "schema_name": "ml", "model_name": "ranker"}
    made = await versions.create_model_version(models.CreateModelVersion(**place, source="somewhere", comment=""))
    assert (made.version, made.status) == (1, models.ModelVersionStatus.PENDING_REGISTRATION)
    ask = models.GenerateTemporaryModelVersionCredential(
        **place, version=1, operation=models.ModelVersionOperation.READ_WRITE_MODEL_VERSION
    )
    given = await TemporaryCredentialsApi(api).generate_temporary_model_version_credentials(ask)
    assert given.expiration_time
    keys = given.aws_temp_credentials
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        region_name="us-east-1",
    )
    bucket, _, root = made.storage_location.removeprefix("s3://").partition("/")
    signature = '[{"type": "double", "name": "a", "required": true}]'
    text = f"flavors:\n  python_function: {{}}\nsignature:\n  inputs: '{signature}'\n  outputs: '{signature}'\n"
    s3.put_object(Bucket=bucket, Key=f"{root}/MLmodel", Body=text.encode())
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{root}/")["Contents"]
    assert [(one["Key"], one["Size"]) for one in listed] == [(f"{root}/MLmodel", len(text))]
    final = await versions.finalize_model_version(MODEL, 1, models.FinalizeModelVersion(full_name=MODEL, version=1))
    assert final.status == models.ModelVersionStatus.READY
    code = ""
    try:
        s3.put_object(Bucket=bucket, Key=f"{root}/MLmodel", Body=b"x")
    except s3.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
    assert code == "AccessDenied", "a READY version was written to"
    await versions.update_model_version(MODEL, 1, models.UpdateModelVersion(comment="first"))
    assert (await versions.get_model_version(MODEL, 1)).comment == "first"
    assert [one.version for one in (await versions.list_model_versions(MODEL)).model_versions] == [1]


@step
async def a_table_is_made_and_listed(api):
    tables = TablesApi(api)
    column = models.ColumnInfo(
        name="id", type_text="int", type_json='"int"', type_name=models.ColumnTypeName.INT, position=0
    )
    new = models.CreateTable(
        name="clicks",
        catalog_name=CATALOG,
        schema_name="ml",
        table_type=models.TableType.EXTERNAL,
        data_source_format=models.DataSourceFormat.DELTA,
        columns=[column],
        storage_location="s3://elsewhere/clicks",
    )
    made = await tables.create_table(new)
    assert made.storage_location == "s3://elsewhere/clicks"
    assert made.columns[0].name == "id"
    assert [one.name for one in (await tables.list_tables(CATALOG, "ml")).tables] == ["clicks"]
    assert (await tables.get_table(f"{CATALOG}.ml.clicks")).table_id == made.table_id


@step
async def grants_are_given_and_read_in_the_clients_words(api):
    grants = GrantsApi(api)
    change = models.PermissionsChange(
        principal="account users", add=[models.Privilege.USE_CATALOG, models.Privilege.USE_SCHEMA], remove=[]
    )
    await grants.update(models.SecurableType.CATALOG, CATALOG, models.UpdatePermissions(changes=[change]))
    found = await grants.get(models.SecurableType.CATALOG, CATALOG)
    (held,) = [one for one in found.privilege_assignments if one.principal == "account users"]
    assert set(held.privileges) == {models.Privilege.USE_CATALOG, models.Privilege.USE_SCHEMA}
    change = models.PermissionsChange(principal="account users", add=[models.Privilege.EXECUTE], remove=[])
    given = await grants.update(
        models.SecurableType.REGISTERED_MODEL, MODEL, models.UpdatePermissions(changes=[change])
    )
    assert [one.privileges for one in given.privilege_assignments] == [[models.Privilege.EXECUTE]]
    change = models.PermissionsChange(principal="account users", add=[], remove=[models.Privilege.EXECUTE])
    left = await grants.update(
        models.SecurableType.REGISTERED_MODEL, MODEL, models.UpdatePermissions(changes=[change])
    )
    assert left.privilege_assignments == []


@step
async def what_is_not_kept_here_says_so(api):
    assert (await VolumesApi(api).list_volumes(CATALOG, "ml")).volumes == []
    assert (await FunctionsApi(api).list_functions(CATALOG, "ml")).functions == []
    assert (await CredentialsApi(api).list_credentials()).credentials == []
    assert (await ExternalLocationsApi(api).list_external_locations()).external_locations == []
    await refused(VolumesApi(api).list_volumes(CATALOG, "none"), 404, "RESOURCE_DOES_NOT_EXIST")
    await refused(VolumesApi(api).get_volume(f"{CATALOG}.ml.v"), 404, "RESOURCE_DOES_NOT_EXIST", "volume")
    volume = models.CreateVolumeRequestContent(
        catalog_name=CATALOG,
        schema_name="ml",
        name="v",
        volume_type=models.VolumeType.EXTERNAL,
        storage_location="s3://elsewhere/v",
    )
    await refused(VolumesApi(api).create_volume(volume), 501, "NOT_IMPLEMENTED", "volumes")
    ask = models.GenerateTemporaryTableCredential(table_id="x", operation=models.TableOperation.READ)
    await refused(
        TemporaryCredentialsApi(api).generate_temporary_table_credentials(ask), 501, "NOT_IMPLEMENTED", "SQL"
    )


@step
async def no_token_no_answer(api):
    async with ApiClient(Configuration(host=f"{HOST}/api/2.1/unity-catalog")) as anonymous:
        await refused(CatalogsApi(anonymous).list_catalogs(), 401, "UNAUTHENTICATED")


@step
async def everything_is_deleted(api):
    await ModelVersionsApi(api).delete_model_version(MODEL, 1)
    await RegisteredModelsApi(api).delete_registered_model(MODEL)
    await TablesApi(api).delete_table(f"{CATALOG}.ml.clicks")
    await SchemasApi(api).delete_schema(f"{CATALOG}.ml")
    await CatalogsApi(api).delete_catalog(CATALOG)
    await refused(CatalogsApi(api).get_catalog(CATALOG), 404, "RESOURCE_DOES_NOT_EXIST")


async def main():
    failed = 0
    async with ApiClient(Configuration(host=f"{HOST}/api/2.1/unity-catalog")) as api:
        api.set_default_header("Authorization", f"Bearer {TOKEN}")
        for function in steps:
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    await function(api)
            except BaseException:  # every step is told of, whatever it raises
                traceback.print_exc()
                failed += 1
                print("failed", function.__name__, flush=True)
            else:
                print("ok", function.__name__, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

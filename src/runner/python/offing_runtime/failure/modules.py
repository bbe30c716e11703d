"""Which package provides a module that could not be imported."""

import ast
import importlib
import re

from . import source, trace

# Import names whose package has another name, and packages of namespaces (PyPI).
PACKAGES = {
    "atlassian": "atlassian-python-api",
    "attr": "attrs",
    "azure.ai.documentintelligence": "azure-ai-documentintelligence",
    "azure.ai.inference": "azure-ai-inference",
    "azure.ai.ml": "azure-ai-ml",
    "azure.ai.projects": "azure-ai-projects",
    "azure.cognitiveservices.speech": "azure-cognitiveservices-speech",
    "azure.core": "azure-core",
    "azure.cosmos": "azure-cosmos",
    "azure.data.tables": "azure-data-tables",
    "azure.devops": "azure-devops",
    "azure.eventhub": "azure-eventhub",
    "azure.functions": "azure-functions",
    "azure.identity": "azure-identity",
    "azure.keyvault.certificates": "azure-keyvault-certificates",
    "azure.keyvault.keys": "azure-keyvault-keys",
    "azure.keyvault.secrets": "azure-keyvault-secrets",
    "azure.kusto.data": "azure-kusto-data",
    "azure.monitor.query": "azure-monitor-query",
    "azure.search.documents": "azure-search-documents",
    "azure.servicebus": "azure-servicebus",
    "azure.storage.blob": "azure-storage-blob",
    "azure.storage.filedatalake": "azure-storage-file-datalake",
    "azure.storage.fileshare": "azure-storage-file-share",
    "azure.storage.queue": "azure-storage-queue",
    "bs4": "beautifulsoup4",
    "consul": "python-consul",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "databricks.sdk": "databricks-sdk",
    "databricks.sql": "databricks-sql-connector",
    "databricks.vector_search": "databricks-vectorsearch",
    "dateutil": "python-dateutil",
    "decouple": "python-decouple",
    "discord": "discord.py",
    "django": "Django",
    "dns": "dnspython",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "faiss": "faiss-cpu",
    "ffmpeg": "ffmpeg-python",
    "firecrawl": "firecrawl-py",
    "fitz": "PyMuPDF",
    "flask": "Flask",
    "gi": "PyGObject",
    "git": "GitPython",
    "github": "PyGithub",
    "gitlab": "python-gitlab",
    "google.adk": "google-adk",
    "google.ads": "google-ads",
    "google.ai.generativelanguage": "google-ai-generativelanguage",
    "google.analytics.admin": "google-analytics-admin",
    "google.analytics.data": "google-analytics-data",
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.cloud.aiplatform": "google-cloud-aiplatform",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.bigquery_storage": "google-cloud-bigquery-storage",
    "google.cloud.compute": "google-cloud-compute",
    "google.cloud.datastore": "google-cloud-datastore",
    "google.cloud.documentai": "google-cloud-documentai",
    "google.cloud.exceptions": "google-cloud-core",
    "google.cloud.firestore": "google-cloud-firestore",
    "google.cloud.kms": "google-cloud-kms",
    "google.cloud.language": "google-cloud-language",
    "google.cloud.logging": "google-cloud-logging",
    "google.cloud.monitoring": "google-cloud-monitoring",
    "google.cloud.pubsub": "google-cloud-pubsub",
    "google.cloud.resourcemanager": "google-cloud-resource-manager",
    "google.cloud.run": "google-cloud-run",
    "google.cloud.secretmanager": "google-cloud-secret-manager",
    "google.cloud.spanner": "google-cloud-spanner",
    "google.cloud.speech": "google-cloud-speech",
    "google.cloud.sql": "cloud-sql-python-connector",
    "google.cloud.storage": "google-cloud-storage",
    "google.cloud.tasks": "google-cloud-tasks",
    "google.cloud.texttospeech": "google-cloud-texttospeech",
    "google.cloud.translate": "google-cloud-translate",
    "google.cloud.vision": "google-cloud-vision",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    "google.oauth2": "google-auth",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "google_auth_oauthlib": "google-auth-oauthlib",
    "googleapiclient": "google-api-python-client",
    "hubspot": "hubspot-api-client",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "keycloak": "python-keycloak",
    "kubernetes": "kubernetes",
    "ldap": "python-ldap",
    "llama_index.core": "llama-index-core",
    "magic": "python-magic",
    "markdown": "Markdown",
    "multipart": "python-multipart",
    "mysql.connector": "mysql-connector-python",
    "MySQLdb": "mysqlclient",
    "nacl": "PyNaCl",
    "office365": "Office365-REST-Python-Client",
    "OpenSSL": "pyOpenSSL",
    "opentelemetry.baggage": "opentelemetry-api",
    "opentelemetry.context": "opentelemetry-api",
    "opentelemetry.metrics": "opentelemetry-api",
    "opentelemetry.propagate": "opentelemetry-api",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.trace": "opentelemetry-api",
    "PIL": "Pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pymupdf": "PyMuPDF",
    "pythonjsonlogger": "python-json-logger",
    "rest_framework": "djangorestframework",
    "ruamel.yaml": "ruamel.yaml",
    "serial": "pyserial",
    "serpapi": "google-search-results",
    "setuptools": "setuptools",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slack_sdk": "slack-sdk",
    "slugify": "python-slugify",
    "snowflake.connector": "snowflake-connector-python",
    "snowflake.core": "snowflake.core",
    "snowflake.ml": "snowflake-ml-python",
    "snowflake.snowpark": "snowflake-snowpark-python",
    "snowflake.sqlalchemy": "snowflake-sqlalchemy",
    "socketio": "python-socketio",
    "speech_recognition": "SpeechRecognition",
    "sseclient": "sseclient-py",
    "tavily": "tavily-python",
    "telegram": "python-telegram-bot",
    "tencentcloud": "tencentcloud-sdk-python",
    "umap": "umap-learn",
    "usb": "pyusb",
    "vertexai": "google-cloud-aiplatform",
    "weaviate": "weaviate-client",
    "websocket": "websocket-client",
    "whisper": "openai-whisper",
    "win32api": "pywin32",
    "win32com": "pywin32",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
    "zope.interface": "zope.interface",
}

# Packages of many share these names; how many parts of a module's name make its package's.
NAMESPACES = {
    "azure": 2,
    "azure.ai": 3,
    "azure.communication": 3,
    "azure.data": 3,
    "azure.keyvault": 3,
    "azure.mgmt": 3,
    "azure.monitor": 3,
    "azure.storage": 3,
    "databricks": 2,
    "google": 2,
    "google.analytics": 3,
    "google.cloud": 3,
    "google.maps": 3,
    "llama_index": 3,
    "opentelemetry": 2,
    "opentelemetry.exporter": 4,
    "opentelemetry.instrumentation": 3,
    "ruamel": 2,
    "snowflake": 2,
    "zope": 2,
}


def package_of(module):
    """(package, module that it provides, whether that is known); None for a namespace, which no package alone has."""
    whole = module.split(".")
    # `google.cloud.vision_v1` is a version of `google.cloud.vision`.
    parts = [re.sub(r"_v\d+\w*$", "", part) for part in whole]
    for length in (3, 2, 1):
        known = PACKAGES.get(".".join(parts[:length]))
        if known:
            return known, ".".join(whole[:length]), True
    if module in NAMESPACES:
        return None
    length = next((n for n in map(NAMESPACES.get, (".".join(parts[:2]), parts[0])) if n), 1)
    return "-".join(parts[:length]).replace("_", "-"), ".".join(whole[:length]), False


def wanted(error):
    """The whole name of what a failed import was to bring, as far as the importing line tells it."""
    name = error.name or ""
    lacks = re.search(r"cannot import name '(\w+)' from '([\w.]+)'", trace.text_of(error))
    if lacks:
        return f"{lacks.group(2)}.{lacks.group(1)}"
    if name.split(".")[0] not in NAMESPACES:
        return name
    steps = []
    step = error.__traceback__
    while step is not None:
        steps.append((step.tb_frame.f_code.co_filename, step.tb_lineno))
        step = step.tb_next
    no_line = ("<", importlib.__file__)
    file, line = next((each for each in reversed(steps) if not each[0].startswith(no_line)), (None, 0))
    running = source.statements(source.parsed(source.text_at(file)), line) if file else []
    found = [each for each in (imports(running[-1]) if running else []) if f"{each}.".startswith(f"{name}.")]
    # Of several names of one statement, one whose package is known.
    return next((each for each in found if (package_of(each) or (None,))[-1]), found[0] if found else name)


def imports(statement):
    """The whole names of what a statement imports; of a call those in its strings."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        names = [statement.module if alias.name == "*" else f"{statement.module}.{alias.name}" for alias in statement.names]
        return [] if statement.level else names
    return [node.value for node in ast.walk(statement) if source.is_text(node)]

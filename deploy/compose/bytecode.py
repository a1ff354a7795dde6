"""Imports all that the roles may import, while the image is built: python bytecode.py

What is imported leaves its bytecode in the image, so that roles and health checks start quickly from a read-only root.
And the build fails when something is missing that was taken out of the image to keep it small.
"""

import importlib
import pkgutil

import boto3

import services
import shared

#: Logs and STS are asked by cwpipe; the rest by boto3, for credentials of IAM Identity Center and of `aws login`.
SERVICES_OF_AWS = ("logs", "sts", "sso", "sso-oidc", "signin")

for package in (services, shared):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.startswith("services.demo"):
            importlib.import_module(module.name)
session = boto3.Session("none", "none", region_name="us-east-1")  # credentials: so that none are looked for
for name in SERVICES_OF_AWS:
    session.client(name)

"""The AWS edge, and the only place of boto3: sessions and credentials, groups and pages, and what errors mean."""

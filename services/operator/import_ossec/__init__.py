"""`cwpipe import-ossec`: the services of Wazuh's own module as a configuration of ours, and where it had read to."""

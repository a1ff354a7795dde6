"""Logs of AWS's services, in the form that Wazuh's stock rules know. Pure functions: one event in, its shape out.

A family is named by the settings or permitted by its group's name, and confirmed by what the event holds: what an
application prints is never taken for a finding. A new family is a row of `registry`, and a function where no existing
one will do.

    registry          every family: name, groups, function, and what arrives
    stock_rules       what each is for: what confirms it, which of Wazuh's rules its form fires
    family            what such a function is given and may return
    records           the changes that Wazuh's own module makes to any record
    columns           lines of columns
    the others        one kind of family each
"""

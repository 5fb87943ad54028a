"""
Databases on servers, a folder an engine.

Django finds a backend by its module `base`, and `bazaar.runtime.engines` its `engine`. Their
drivers are optional, so nothing else imports them.
"""

"""A client of the Remote Execution API, version 2: content by its digest, and the results of actions.

https://github.com/bazelbuild/remote-apis. Knows nothing of units. Its libraries are an extra, `cargoship[remote]`.
"""

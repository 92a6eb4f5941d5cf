"""What a run did, for people and for programs: facts of its folder, as a page or as JSON.

``page`` needs jinja2: ``raytabdl[report]``.
"""

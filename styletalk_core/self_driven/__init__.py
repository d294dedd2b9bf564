"""The paper's self-driven protocol: a clip's own sound, pose, first frame and style make it again; how near is it?"""

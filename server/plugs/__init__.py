"""Plugins for frameworks of voice agents, each with its extra: LiveKit Agents and Pipecat."""

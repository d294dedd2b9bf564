"""A LiveKit agent with a face, rendered on the agent's own CPU.

    pip install "styletalk-live[livekit]" "livekit-agents[openai]"
    python livekit_agent.py console      # or: dev, start

The voice may be of any provider that LiveKit Agents knows. The model can change how it looks and speaks.
"""

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, function_tool, room_io
from livekit.plugins.styletalk import AvatarSession

server = AgentServer()


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    """Joins the room with a face."""
    avatar = AvatarSession("clara", style="happy")
    session = AgentSession(
        stt="deepgram/nova-3",
        llm="openai/gpt-4.1-mini",
        tts="cartesia/sonic-3",
    )
    agent = Agent(
        instructions="You are Clara, a friendly presenter. Show with set_emotion how you feel about what you say.",
        tools=[function_tool(avatar.set_emotion)],
    )
    await ctx.connect()
    await avatar.start(session, room=ctx.room)  # before the session: its voice then goes through the face
    await session.start(agent, room=ctx.room, room_options=room_io.RoomOptions(audio_output=False))
    await session.generate_reply(instructions="Greet the user and offer your help.")


if __name__ == "__main__":
    cli.run_app(server)

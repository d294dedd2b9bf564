"""A Pipecat bot with a face in the browser, rendered on the bot's own CPU.

    pip install "styletalk-live[pipecat]" "pipecat-ai[openai,runner]"
    OPENAI_API_KEY=... python pipecat_bot.py      # then open http://localhost:7860

Any speech-to-text, language model and text-to-speech of Pipecat will do; the face stands after the voice.
"""

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.types import SmallWebRTCRunnerArguments
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner

from server.plugs.pipecat import StyleTalkVideoService

SIZE = 512


async def bot(arguments: SmallWebRTCRunnerArguments) -> None:
    """Talks with one person."""
    params = TransportParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        video_out_enabled=True,
        video_out_is_live=True,
        video_out_width=SIZE,
        video_out_height=SIZE,
        video_out_framerate=30,
    )
    transport = SmallWebRTCTransport(arguments.webrtc_connection, params)
    face = StyleTalkVideoService("clara", style="happy", size=SIZE)
    messages = [{"role": "system", "content": "You are Clara, a friendly presenter. Answer in one or two sentences."}]
    user, assistant = LLMContextAggregatorPair(LLMContext(messages))
    recognizer, model, voice = OpenAISTTService(), OpenAILLMService(), OpenAITTSService()
    stages = [transport.input(), recognizer, user, model, voice, face, transport.output(), assistant]
    worker = PipelineWorker(Pipeline(stages), params=PipelineParams(enable_metrics=True))
    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()

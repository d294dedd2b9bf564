// Shows a presenter in any page:
//   <script src="https://SERVER/embed.js" data-presenter="news" data-token="..." async></script>
// The page's origin must be among the server's --allow-origins; a server with a key requires a token (docs/protocol.md).
// Events of the presenter (marks, captions ...) are dispatched on the figure as "styletalk" with the message as detail.
{
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const home = new URL(".", script.src);
  const presenter = script.dataset.presenter ?? new URLSearchParams(location.search).get("presenter");
  const token = script.dataset.token;
  const headers = { "Content-Type": "application/sdp", ...(token && { Authorization: `Bearer ${token}` }) };

  const figure = document.createElement("figure");
  const video = Object.assign(document.createElement("video"), { autoplay: true, playsInline: true, muted: true });
  const sound = Object.assign(document.createElement("button"), { type: "button", textContent: "Unmute" });
  const badge = Object.assign(document.createElement("small"), { textContent: "AI-generated" });
  const caption = document.createElement("figcaption");
  figure.className = "styletalk";
  video.setAttribute("aria-label", `${presenter}, an AI-generated presenter`);
  figure.style.cssText = "position: relative; margin: 0; max-width: 32rem";
  video.style.cssText = "display: block; width: 100%; border-radius: 1rem";
  badge.style.cssText = "position: absolute; inset: 1rem auto auto 1rem; padding: 0.1em 0.6em; background: #000b; color: #fff";
  sound.style.margin = "0.7rem 0.7rem 0.7rem 0";
  caption.setAttribute("aria-live", "polite");
  figure.append(video, sound, badge, caption);
  script.after(figure);
  import(new URL("transparent_video.js", home).href).then(({ composite }) => composite(video));
  sound.onclick = () => {
    video.muted = !video.muted;
    sound.textContent = video.muted ? "Unmute" : "Mute";
  };

  const watch = async () => {
    const { ice_servers } = await (await fetch(new URL("api/ice-servers", home), { headers })).json();
    const peer = new RTCPeerConnection({ iceServers: ice_servers });
    const stream = (video.srcObject = new MediaStream());
    for (const kind of ["audio", "video"]) peer.addTransceiver(kind, { direction: "recvonly" });
    peer.ontrack = ({ track }) => stream.addTrack(track);
    await peer.setLocalDescription();
    await /** @type {Promise<void>} */ (new Promise((done) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
      setTimeout(done, 1000);
    }));
    const body = peer.localDescription?.sdp;
    const answer = await fetch(new URL(`whep/${presenter}`, home), { method: "POST", headers, body });
    if (!answer.ok) return void (peer.close(), again());
    peer.onconnectionstatechange = () => ["failed", "closed"].includes(peer.connectionState) && events.close();
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });

    const address = new URL(`ws?format=json&watch=${presenter}${token ? `&token=${token}` : ""}`, home);
    const events = new WebSocket(address.href.replace(/^http/, "ws"));
    events.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type.startsWith("transcript.")) caption.textContent = message.text;
      figure.dispatchEvent(new CustomEvent("styletalk", { detail: message, bubbles: true }));
    };
    events.onclose = () => (peer.close(), again());
  };
  const again = () => setTimeout(() => watch().catch(again), 2000);
  watch().catch(again);
}

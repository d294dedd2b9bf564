/**
 * Transparent video: the upper half of a frame is the person, the lower half is the alpha mask, because live codecs have
 * no alpha channel. WebGL puts them together on a canvas that takes the place of the video, on the page's own background.
 */

const CORNERS = new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]);

const VERTEX = `
attribute vec2 corner;
varying vec2 place;
void main() {
  place = vec2(corner.x + 1.0, 1.0 - corner.y) / 2.0;
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

/** The mask is sampled half a row inside its half, so that filtering mixes in nothing of the person. */
const FRAGMENT = `
precision mediump float;
uniform sampler2D frame;
uniform float row;
varying vec2 place;
void main() {
  float y = clamp(place.y / 2.0, row, 0.5 - row);
  vec3 person = texture2D(frame, vec2(place.x, y)).rgb;
  float alpha = texture2D(frame, vec2(place.x, y + 0.5)).g;
  gl_FragColor = vec4(person * alpha, alpha);
}`;

/** True while the frames of a video are twice as high as wide. @param {HTMLVideoElement} video */
export function isStacked(video) {
  return video.videoWidth > 0 && video.videoHeight >= 1.5 * video.videoWidth;
}

/**
 * Shows the person of a stacked video on a canvas, and the video itself while its frames are not stacked.
 * @param {HTMLVideoElement} video in the page; it plays on, hidden
 * @returns {HTMLCanvasElement | null} the canvas, null where there is no WebGL
 */
export function composite(video) {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl", { premultipliedAlpha: true, antialias: false });
  if (!gl) return null;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", video.getAttribute("aria-label") ?? "");
  canvas.style.width = "100%";
  video.after(canvas);
  let row = prepare(gl);
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault()); // so that it is restored
  canvas.addEventListener("webglcontextrestored", () => (row = prepare(gl)));

  const draw = () => {
    const stacked = isStacked(video);
    canvas.style.display = stacked ? "block" : "none";
    video.style.display = stacked ? "none" : "block";
    if (stacked && !gl.isContextLost()) {
      const size = video.videoWidth;
      if (canvas.width !== size) canvas.width = canvas.height = size;
      gl.viewport(0, 0, size, size);
      gl.uniform1f(row, 0.5 / video.videoHeight);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, video);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, CORNERS.length / 2);
    }
    if (video.isConnected) requestAnimationFrame(draw); // a hidden video has frame callbacks in some browsers only
  };
  draw();
  return canvas;
}

/** Compiles the program and binds the corners and the texture. @param {WebGLRenderingContext} gl */
function prepare(gl) {
  const program = /** @type {WebGLProgram} */ (gl.createProgram());
  for (const [kind, source] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, CORNERS, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(gl.getAttribLocation(program, "corner"), 2, gl.FLOAT, false, 0, 0);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const [name, value] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR], [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) {
    gl.texParameteri(gl.TEXTURE_2D, name, value);
  }
  return gl.getUniformLocation(program, "row");
}

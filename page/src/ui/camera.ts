/** A picture from the camera, in a dialog. */

import { alertUser } from "./alerts";
import { byId, onClick } from "./elements";

export function setUpCamera(open: (files: File[]) => void): void {
  const dialog = byId("camera", HTMLDialogElement);
  const video = dialog.querySelector("video")!;

  onClick("[data-camera]", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment", width: { ideal: 1920 } },
      });
      dialog.showModal();
      await video.play();
    } catch (error) {
      alertUser(reasonOf(error));
    }
  });
  dialog.querySelector("[data-take]")!.addEventListener("click", async () => {
    if (!video.videoWidth) return; // the first frame is not here yet
    open([await pictureOf(video)]);
    dialog.close();
  });
  dialog.querySelector("[data-cancel]")!.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    for (const track of (video.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  });
}

async function pictureOf(video: HTMLVideoElement): Promise<File> {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  return new File([await canvas.convertToBlob()], "camera.png", { type: "image/png" });
}

function reasonOf(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") {
    return "The camera is blocked; allow it for this page in the browser's settings.";
  }
  if (name === "NotFoundError") return "No camera was found.";
  if (!navigator.mediaDevices) return "The camera needs https or localhost.";
  return "The camera does not start; another program may use it.";
}

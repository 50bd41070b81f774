/** The start of the page. */

import { App } from "./app";
import { readModels } from "./network/models";
import { alertUser } from "./ui/alerts";
import { setUpCamera } from "./ui/camera";
import { setUpIntake } from "./ui/intake";
import { setUpTheme } from "./ui/theme";
import { setUpOffline } from "./offline";

setUpTheme();
const app = readModels(document.baseURI).then((models) => new App(models));
app.catch((error: Error) => alertUser(error.message));
const open = (files: File[]) => void app.then((ready) => ready.open(files));
setUpIntake(open);
setUpCamera(open);
setUpOffline();

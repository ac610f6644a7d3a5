// The run's page works without this; with it, it follows the run and asks for less.
import { localize } from "./times.js";
import { remember, watchFolds } from "./run-parts.js";
import { startOutput } from "./run-output.js";
import { startChanges } from "./run-changes.js";
import { startAsks } from "./run-asks.js";
import { startLive } from "./run-live.js";

const run = document.getElementById("run");
remember(document);
localize();
setInterval(localize, 20000);
watchFolds();
startOutput();
startChanges();
startAsks();
if (run?.dataset.events) startLive(run);

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium as playwright, type Page } from "playwright-core";

/** Where pages leave their pictures, for whoever wants to look: OFFING_SCREENSHOTS=FOLDER. */
const pictures = process.env["OFFING_SCREENSHOTS"];

export const viewport = { width: 1280, height: 800 };

/** A page of a browser profile of its own, with all that went wrong in it. */
export interface Tab {
  readonly page: Page;
  /** Errors of scripts and of the console, violations of the content policy, and requests that got no answer. */
  readonly problems: readonly string[];
  /** Writes `<name>.png` of what is visible, where pictures are wanted. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface Chromium {
  /** `refused`: HTTP statuses that this tab's page is meant to meet; Chromium calls each an error. */
  open(options?: { refused?: readonly number[] }): Promise<Tab>;
  close(): Promise<void>;
}

export type Started = { readonly chromium: Chromium } | { readonly reason: string };

/** Chromium as npm brings it, or why it does not start here. */
export async function startChromium(): Promise<Started> {
  const own = mkdtempSync(join(tmpdir(), "offing-chromium-"));
  try {
    const browser = await launch(own);
    return {
      chromium: { open: (options) => openTab(browser, options?.refused ?? []), close: end(browser, own) },
    };
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    return { reason: `Chromium does not start: ${String(error).split("\n")[0]}` };
  }
}

async function launch(own: string): Promise<Browser> {
  // It unpacks itself into the temporary folder, where another run may be doing the same, takes its libraries
  // along only where it believes to be in AWS Lambda, and sets variables that concern nobody else.
  const before = { ...process.env };
  Object.assign(process.env, { TMPDIR: own, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x" });
  try {
    const { default: chromium } = await import("@sparticuz/chromium");
    const executablePath = await chromium.executablePath();
    const fonts = join(own, "fonts.conf");
    writeFileSync(fonts, fontconfig(own));
    return await playwright.launch({
      executablePath,
      // Its own arguments switch web security off.
      args: ["--headless=shell", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
      env: { ...process.env, FONTCONFIG_FILE: fonts } as Record<string, string>,
    });
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

/** Its own names /tmp/fonts, where they are not: without a font, text has no size. */
function fontconfig(own: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(own, "fonts")}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${join(own, "fonts-cache")}</cachedir>
</fontconfig>
`;
}

function end(browser: Browser, own: string): () => Promise<void> {
  return async () => {
    await browser.close();
    rmSync(own, { recursive: true, force: true });
  };
}

async function openTab(browser: Browser, refused: readonly number[]): Promise<Tab> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const problems: string[] = [];
  await page.exposeFunction("offingViolation", (text: string) => problems.push(`content policy: ${text}`));
  await page.addInitScript(`document.addEventListener("securitypolicyviolation", (event) =>
    offingViolation(event.violatedDirective + " of " + event.blockedURI + " in " + event.sourceFile));`);
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    const status = Number(/the server responded with a status of (\d+)/.exec(message.text())?.[1]);
    if (!refused.includes(status)) problems.push(`console: ${message.text()}`);
  });
  page.on("requestfailed", (request) => {
    // A page that is left ends its own requests.
    const why = request.failure()?.errorText ?? "";
    if (why !== "net::ERR_ABORTED") problems.push(`request: ${request.url()}: ${why}`);
  });
  return {
    page,
    problems,
    async picture(name) {
      if (!pictures) return;
      mkdirSync(pictures, { recursive: true });
      await page.screenshot({ path: join(pictures, `${name}.png`) });
    },
    close: () => context.close(),
  };
}

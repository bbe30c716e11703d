import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const program = process.env["OFFING_URL"] ?? "http://localhost:7400";

/** The pages. The program builds them when they are stale; `vite web` serves them live over a running program. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), tailwind()],
  build: {
    // The program's content policy takes files of its own origin only: nothing is inlined as a data URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One file on purpose: an open page asks for no part of a build that a restarted program may not have.
    chunkSizeWarningLimit: 1000,
  },
  // The program answers browsers of its own origin only.
  server: { proxy: { "^/api/v1/": { target: program, changeOrigin: true, headers: { origin: program } } } },
});

import { defineConfig } from "oxlint";

/** Which folders of `src/` a folder may import; all may import `lib`. The house of the design, as data. */
const mayImport: Record<string, readonly string[]> = {
  lib: [],
  mcp: [],
  policy: [],
  store: [],
  contract: ["policy"],
  snapshot: ["mcp", "policy"],
  upstream: ["mcp"],
  gateway: ["snapshot", "upstream", "mcp", "policy"],
  build: ["upstream", "mcp"],
  runner: ["upstream", "mcp"],
  auth: ["store", "upstream"],
  domain: ["contract", "policy", "mcp", "snapshot", "store", "upstream", "build", "runner", "auth"],
  http: ["domain", "contract", "policy"],
  jobs: ["domain", "contract", "store"],
  channels: ["domain", "contract"],
  cli: ["contract", "policy"],
};

const folders = [...Object.keys(mayImport), "main"];

const directions = Object.entries(mayImport).map(([folder, allowed]) => {
  const forbidden = folders.filter(
    (other) => other !== folder && other !== "lib" && !allowed.includes(other),
  );
  return {
    files: [`src/${folder}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              group: forbidden.flatMap((other) => [
                `../${other}/**`,
                `../../${other}/**`,
                `../../../${other}/**`,
              ]),
              message: `src/${folder} imports ${["lib", ...allowed].join(", ")} only; declare an interface of its own and let main fill it.`,
            },
          ],
        },
      ] as never,
    },
  };
});

export default defineConfig({
  plugins: ["typescript", "import", "oxc", "unicorn", "vitest"],
  categories: { correctness: "error" },
  options: { typeAware: true },
  rules: {
    "import/no-cycle": "error",
    "max-lines": ["error", { max: 400 }],
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": ["error", { checksVoidReturn: false }],
    "typescript/await-thenable": "error",
    "typescript/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    "typescript/no-explicit-any": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/ban-ts-comment": "error",
    "no-console": "error",
    "typescript/unbound-method": "off",
    "no-eval": "error",
    "vitest/no-focused-tests": "error",
    "vitest/no-disabled-tests": "error",
    "vitest/valid-expect": "error",
    "vitest/no-conditional-expect": "off",
    "vitest/no-standalone-expect": "off",
  },
  overrides: [
    ...directions,
    {
      files: ["web/**"],
      plugins: ["typescript", "import", "oxc", "unicorn", "react", "jsx-a11y"],
      rules: {
        "react/rules-of-hooks": "error",
        "react/exhaustive-deps": "error",
        "react/no-array-index-key": "error",
        "react/no-danger": "error",
        // role="status" is how what changes by itself is told; `output` is for forms.
        "jsx-a11y/prefer-tag-over-role": "off",
        // The pages are a client of the API and nothing more; inline styles are against their content policy.
        "react/forbid-dom-props": ["error", { forbid: ["style"] }],
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              {
                group: folders
                  .filter((folder) => !["contract", "policy", "lib"].includes(folder))
                  .flatMap((folder) => [`**/src/${folder}/**`]),
                message: "web imports src/contract, src/policy and src/lib only.",
              },
              { group: ["node:*"], message: "These pages run in a browser." },
            ],
          },
        ] as never,
      },
    },
    {
      files: ["web/vite.config.ts"],
      rules: { "no-restricted-imports": "off" },
    },
    { files: ["bench/**", "scripts/**"], rules: { "no-console": "off" } },
    {
      files: ["test/needs.ts"],
      rules: { "vitest/valid-title": "off", "vitest/valid-describe-callback": "off" },
    },
  ],
  ignorePatterns: ["node_modules", ".node", "dist"],
});

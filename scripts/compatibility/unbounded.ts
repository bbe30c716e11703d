import { refused, serves, servesWithout, type Package } from "./package.ts";

/** Servers for mcp 1 whose projects leave its version open, so that mcp 2 would be installed. */
export const unbounded: readonly Package[] = [
  {
    name: "office-powerpoint-mcp-server",
    version: "2.0.7",
    sha256: "ce7abe7d218ba6c51bf40ef8ea9c2c669b7c53e60de3cad561ea22cedde64ba9",
    by: "GongRzhe",
    about: "FastMCP of mcp 1, but requirements.txt leaves mcp unbounded",
    expected: serves(37, ["create_presentation", {}, "presentation_"]),
  },
  {
    name: "color-mcp-server",
    version: "0.1.0",
    sha256: "66132764cfd4c6f619453acb65fcd2dda3b1b91962ca9c33ae9447b99f8861c4",
    by: "AiAgentKarl",
    about: "FastMCP of mcp 1, but pyproject.toml leaves mcp unbounded; relative imports",
    expected: serves(9, ["tool_check_contrast", { foreground: "#000000", background: "#ffffff" }, "21"]),
  },
  {
    name: "uuid-mcp",
    version: "0.1.0",
    sha256: "19e81520d7524ec8502770cc6d42bba0ce2ba3514f50226a972f951bd6eab119",
    by: "the authors of uuid-mcp",
    about: "low-level Server of mcp 1, but pyproject.toml leaves mcp unbounded; setuptools",
    expected: serves(1, ["generate_uuid", {}, "-4"]),
  },
  {
    name: "mcp-datetime",
    version: "0.1.4",
    sha256: "112305394a7f9625f0fc2802bc975c77d738c30257704756608b8d2d5edeb00e",
    by: "ZeparHyfar",
    about:
      "low-level Server of mcp 1, mcp unbounded; program in __init__.py, another __init__.py at the root",
    expected: serves(1, ["get_datetime", { format: "date" }, "20"]),
  },
  {
    name: "think-mcp",
    version: "0.1.16",
    sha256: "da135a05c5ced3cc9cd5b5166648ec4620dd6ef3091e3e872e77de5d64162d17",
    by: "Konstantin Krestnikov",
    about: "FastMCP of mcp 1, mcp unbounded; argparse at import, a [build-system] without a back-end",
    expected: serves(1, ["think", { thought: "first" }, "first"]),
  },
  {
    name: "chart-mcp",
    version: "0.1.1",
    sha256: "7d39ef327806c05e49feb2d76d428e491ed9541081b796651234dd02c9e4f811",
    by: "the authors of chart-mcp",
    about: "low-level Server of mcp 1, mcp unbounded; uv_build, matplotlib",
    expected: serves(3, [
      "generate_bar_chart",
      { title: "t", y_label: "y", categories: ["a", "b"], values: [1, 2] },
      "image",
    ]),
  },
  {
    name: "alevlas-random-mcp",
    version: "0.1.1",
    sha256: "fefadd00faf0528b877be3e4ce92c276f3f9b85aacdf75947c589b858004d8a3",
    by: "alevlas",
    about: "low-level Server of mcp 1 made in a function, mcp unbounded; two console scripts",
    expected: serves(3, ["generate_random_int", { min_value: 7, max_value: 7 }, "7"]),
  },
  {
    name: "archive-mcp",
    version: "0.2.4",
    sha256: "bd628fa52f58378706e742de8ed5a33c5978d5a25face4805ef26d8b0adab771",
    by: "the authors of archive-mcp",
    about: "low-level Server of mcp 1 within a class, mcp unbounded",
    expected: serves(1, ["compress", { input: "/tmp/nothing-here" }, "nothing-here"]),
  },
  {
    name: "mcp-simple-pubmed",
    version: "0.1.16",
    sha256: "eb9f72a50420eaefaf424ea545e6712b80ed9aa8f1334ab6ea2ddf26ee11f578",
    by: "Andy Brandt",
    about: "FastMCP 2.14 pinned, which left its own mcp unbounded",
    needs: {
      variables: { PUBMED_EMAIL: "somebody@example.com" },
      without: refused("variable_missing", "PUBMED_EMAIL", "env set mcp-simple-pubmed PUBMED_EMAIL="),
    },
    expected: servesWithout("the internet", 2, ["search_pubmed", { query: "aspirin" }, "rror"]),
  },
];

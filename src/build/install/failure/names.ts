import { normalizeName, type Origin } from "../../plan/requirements.ts";

/** Distributions that MCP servers often need, and that people mistype. */
const WELL_KNOWN =
  "fastmcp mcp httpx requests pydantic pydantic-settings python-dotenv starlette uvicorn fastapi anyio aiohttp numpy pandas openai anthropic beautifulsoup4 lxml pyyaml pillow scikit-learn sqlalchemy psycopg psycopg2-binary asyncpg redis boto3 google-api-python-client google-auth jinja2 click typer rich tenacity websockets playwright selenium matplotlib scipy networkx langchain tiktoken duckduckgo-search yfinance feedparser markdownify pypdf python-docx openpyxl aiosqlite pymongo motor mysqlclient pymysql cryptography pyjwt gitpython pygithub slack-sdk notion-client wikipedia arxiv tavily-python pytz python-dateutil loguru".split(
    " ",
  );

/** Import names whose distribution is called otherwise. */
const CALLED: Readonly<Record<string, string>> = {
  bs4: "beautifulsoup4",
  cv2: "opencv-python-headless",
  dotenv: "python-dotenv",
  yaml: "pyyaml",
  pil: "pillow",
  sklearn: "scikit-learn",
  docx: "python-docx",
  jwt: "pyjwt",
  git: "gitpython",
  github: "pygithub",
  dateutil: "python-dateutil",
  "python-fastmcp": "fastmcp",
  "fast-mcp": "fastmcp",
  "model-context-protocol": "mcp",
  modelcontextprotocol: "mcp",
  "mcp-sdk": "mcp",
};

/** What somebody who wrote this name may have meant, or null. */
export function nearName(name: string): string | null {
  const wrong = normalizeName(name);
  const called = CALLED[wrong];
  if (called !== undefined) return called;
  if (wrong.length > 40) return null;
  const most = wrong.length <= 4 ? 1 : 2;
  let best: { known: string; distance: number } | null = null;
  for (const known of WELL_KNOWN) {
    if (Math.abs(known.length - wrong.length) > most) continue;
    const apart = distance(wrong, known);
    if (apart > 0 && apart <= most && (best === null || apart < best.distance))
      best = { known, distance: apart };
  }
  return best?.known ?? null;
}

/** Where a distribution is asked for: `line 3 of requirements.txt (mcp<1)`, all places of it; "" where none is known. */
export function placesOf(name: string, origins: readonly Origin[]): string {
  const normal = normalizeName(name);
  return origins
    .filter((origin) => origin.name === normal)
    .slice(0, 3)
    .map(({ line, file, text }) => `line ${line} of ${file} (${text})`)
    .join(" and ");
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(
        (rows[i - 1]?.[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (rows[i - 1]?.[j - 1] ?? 0) + same,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

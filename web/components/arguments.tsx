import type { Argument } from "../schema.ts";
import { Wide } from "../ui/wide.tsx";

/** What a tool or a prompt takes, one argument a row. */
export function Arguments({ of, rows }: { of: string; rows: readonly Argument[] }) {
  if (rows.length === 0) return <p className="text-sm text-faint">Takes no arguments.</p>;
  return (
    <Wide label={`Arguments of ${of}`} className="rounded-md border border-line">
      <table className="w-full text-left text-sm">
        <caption className="sr-only">Arguments of {of}</caption>
        <thead className="bg-sunken text-xs text-faint">
          <tr>
            <th scope="col" className="px-3 py-1.5 font-medium">
              Argument
            </th>
            <th scope="col" className="px-3 py-1.5 font-medium max-sm:hidden">
              Type
            </th>
            <th scope="col" className="px-3 py-1.5 font-medium max-sm:hidden">
              Required
            </th>
            <th scope="col" className="w-1/2 px-3 py-1.5 font-medium">
              Description
            </th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line align-top">
          {rows.map((row) => (
            <tr key={row.name}>
              <th scope="row" className="px-3 py-1.5 font-normal">
                <code className="font-medium break-words">{row.name}</code>
                <span className="block text-xs text-faint sm:hidden">
                  <code>{row.type}</code>, <Need row={row} />
                </span>
              </th>
              <td className="px-3 py-1.5 max-sm:hidden">
                <code className="text-soft">{row.type}</code>
              </td>
              <td className="px-3 py-1.5 whitespace-nowrap max-sm:hidden">
                <Need row={row} />
              </td>
              <td className="min-w-40 px-3 py-1.5 break-words whitespace-pre-line text-soft">
                {row.description}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

/** Whether an argument may be left out, and what it then is. */
function Need({ row }: { row: Argument }) {
  if (row.required) return "required";
  if (row.fallback === null) return <span className="text-faint">optional</span>;
  return (
    <span className="text-faint">
      default <code className="break-all whitespace-normal">{row.fallback}</code>
    </span>
  );
}

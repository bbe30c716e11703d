import "./no-eval.ts";
import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryCache, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter } from "react-router";
import { RouterProvider } from "react-router/dom";
import { isUnauthenticated } from "./api/problem.ts";
import { createQueries, keys } from "./api/queries.ts";
import { createRoutes } from "./routes.tsx";
import "./styles.css";

const queries = createQueries(
  new QueryCache({
    // A session that ended while a page was open: who is signed in is asked anew, and the answer is a page of its own.
    onError: (error) => {
      if (!isUnauthenticated(error) || queries.getQueryData(keys.me) === undefined) return;
      queries.removeQueries({ queryKey: keys.me });
      void router.revalidate();
    },
  }),
);
const router = createBrowserRouter(createRoutes(queries));

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
);

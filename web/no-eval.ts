import { config } from "zod";

// Loaded before any schema is made: zod would try to compile them, which the program's content policy forbids.
config({ jitless: true });

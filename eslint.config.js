import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    files: ["client_demo/*.js"],
    languageOptions: { ecmaVersion: 2022, globals: globals.browser },
  },
  {
    files: ["tests/browser/*.js"], // run inside the page
    languageOptions: { ecmaVersion: 2022, globals: { ...globals.browser, ...globals.audioWorklet, styletalk: "readonly" } },
  },
  { rules: { "no-unused-vars": "error", eqeqeq: "error", "prefer-const": "error" } },
];

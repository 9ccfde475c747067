export function Environment() {
  return <h1>Environment</h1>;
}

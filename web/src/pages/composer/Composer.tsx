export function Composer() {
  return <h1>Composer</h1>;
}

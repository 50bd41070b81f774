/** Files of ONNX Runtime that vite.config.ts adds to the page. */
declare module "virtual:ort-loader" {
  const address: string;
  export default address;
}
declare module "virtual:ort-wasm" {
  const address: string;
  export default address;
}

// Node's validators for benches/compare: jose, and fast-jwt without and with its cache. The protocol is
// described in src/peers/other_process.rs. CPU time is that of the whole process, as jose verifies in
// threads of its own.
import { createPublicKey, createSecretKey } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The packages are installed outside this repository, in the directory given as argument.
const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`));
const { jwtVerify } = await import(pathToFileURL(require.resolve("jose")));
const { createVerifier } = require("fast-jwt");
const version = (name) => require(`${name}/package.json`).version;

function casesOf(algorithm, jwk, issuer, audience) {
  const key = jwk.kty === "oct"
    ? createSecretKey(jwk.k, "base64url")
    : createPublicKey({ key: jwk, format: "jwk" });
  const forFastJwt = jwk.kty === "oct" ? key.export() : key.export({ type: "spki", format: "pem" });
  const options = {
    key: forFastJwt,
    algorithms: [algorithm],
    allowedIss: issuer,
    allowedAud: audience,
    requiredClaims: ["exp", "iss", "aud"],
  };
  const fast = createVerifier({ ...options, cache: false });
  const cached = createVerifier({ ...options, cache: 1000 });
  const joseOptions = { issuer, audience, algorithms: [algorithm] };
  return [
    {
      name: `jose ${version("jose")} (node ${process.versions.node})`,
      algorithm,
      cache_hit: false,
      verify: async (token) => (await jwtVerify(token, key, joseOptions)).payload.exp,
    },
    {
      name: `fast-jwt ${version("fast-jwt")}, no cache`,
      algorithm,
      cache_hit: false,
      verify: (token) => fast(token).exp,
    },
    {
      name: `fast-jwt ${version("fast-jwt")}, cache hit`,
      algorithm,
      cache_hit: true,
      verify: (token) => cached(token).exp,
    },
  ];
}

async function run(verify, times, token) {
  const expected = await verify(token);
  const start = process.cpuUsage();
  for (let i = 0; i < times; i++) {
    let exp = verify(token);
    if (typeof exp !== "number") exp = await exp;
    if (exp !== expected) throw new Error("wrong result");
  }
  const used = process.cpuUsage(start);
  return (used.user + used.system) * 1000;
}

const answer = (text) => process.stdout.write(`${text}\n`);
let cases;
for await (const line of createInterface({ input: process.stdin })) {
  if (!cases) {
    const { issuer, audience, keys } = JSON.parse(line);
    cases = Object.entries(keys).flatMap(([algorithm, jwk]) => casesOf(algorithm, jwk, issuer, audience));
    answer(JSON.stringify(cases.map(({ name, algorithm, cache_hit }) => ({ name, algorithm, cache_hit }))));
    continue;
  }
  const [command, index, ...rest] = line.split(" ");
  const { verify } = cases[index];
  if (command === "check") {
    try {
      answer(await verify(rest[0]));
    } catch {
      answer("refused");
    }
  } else {
    answer(await run(verify, Number(rest[0]), rest[1]));
  }
}

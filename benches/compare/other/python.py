"""Python's PyJWT for benches/compare. The protocol is described in src/peers/other_process.rs."""

import json
import sys
import time

import jwt


def run(verify, times, token):
    expected = verify(token)
    start = time.thread_time_ns()
    for _ in range(times):
        if verify(token) != expected:
            raise AssertionError("wrong result")
    return time.thread_time_ns() - start


def case(algorithm, jwk, issuer, audience):
    key = jwt.PyJWK(jwk, algorithm=algorithm).key
    options = {"require": ["exp", "iss", "aud"]}

    def verify(token):
        return jwt.decode(
            token, key, algorithms=[algorithm], issuer=issuer, audience=audience, options=options
        )["exp"]

    return {"name": f"PyJWT {jwt.__version__}", "algorithm": algorithm, "cache_hit": False, "verify": verify}


def main():
    setup = json.loads(sys.stdin.readline())
    cases = [case(a, jwk, setup["issuer"], setup["audience"]) for a, jwk in setup["keys"].items()]
    print(json.dumps([{k: c[k] for k in ("name", "algorithm", "cache_hit")} for c in cases]), flush=True)
    for line in sys.stdin:
        command, index, *rest = line.split()
        verify = cases[int(index)]["verify"]
        if command == "check":
            try:
                print(verify(rest[0]), flush=True)
            except jwt.InvalidTokenError:
                print("refused", flush=True)
        else:
            print(run(verify, int(rest[0]), rest[1]), flush=True)


main()

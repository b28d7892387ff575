-- Says wrk's figures of one unchanging request in a line of JSON.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format('\n{"seconds": %.6f, "count": %d, "bytes": %d, "broken": %d, "p50": %.3f, "p99": %.3f}\n',
      summary.duration / 1e6, summary.requests, summary.bytes,
      errors.connect + errors.read + errors.write + errors.timeout + errors.status,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end

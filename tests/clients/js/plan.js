// What every driver is told, and what it says: see ../README.md.
const fs = require('node:fs')

const plan = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'), (name, value) =>
  name === 'when' ? new Date(value) : value,
)

// Some libraries let the process end while they wait to try again.
const staying = setInterval(() => {}, 1000)

/** Says that the library told its caller that these events were taken, by their `n`. */
function accepted(ns) {
  console.log(JSON.stringify({ accepted: ns }))
}

/** Waits until the tests have seen enough: they close our standard input. */
function untilTold() {
  return new Promise((resolve) => process.stdin.resume().once('end', resolve).once('error', resolve))
}

/** Runs a driver to its end. */
function drive(main) {
  main().then(
    () => clearInterval(staying) || process.exit(0),
    (error) => console.error(error) || process.exit(1),
  )
}

module.exports = { ...plan, accepted, untilTold, drive }

// SPDX-License-Identifier: LGPL-2.1-or-later
// node-repl FILE: evaluates the cells of a JSON file, one after the other, in node's own console, and writes the
// output and the value of each.
'use strict'
const fs = require('fs')
const repl = require('repl')
const {PassThrough} = require('stream')

const cells = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const answers = []
const write = {stdout: process.stdout.write.bind(process.stdout), stderr: process.stderr.write}
let current
for (const name of ['stdout', 'stderr'])
  process[name].write = text => { current[name] += text; return true }

const server = repl.start({input: new PassThrough(), output: new PassThrough(), prompt: '', useGlobal: true, terminal: false})

function evaluate (code) {
  current = {stdout: '', stderr: '', result: null, error: '', value: ''}
  answers.push(current)
  return new Promise(resolve => {
    const fail = error => {
      [current.error, current.value] = error instanceof Error ? [error.name, error.message] : ['Uncaught', server.writer(error)]
      resolve()
    }
    server._domain.removeAllListeners('error').on('error', fail) // the console reports uncaught errors here
    server.eval(code + '\n', server.context, 'cell', (error, value) => {
      if (error)
        return fail(error)
      if (value !== undefined)
        current.result = server.writer(value)
      resolve()
    })
  })
}

async function main () {
  for (const code of cells)
    await evaluate(code)
  write.stdout(JSON.stringify(answers))
  process.exit(0)
}
main()

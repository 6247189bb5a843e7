'use strict'
// Drives bigbluebutton-js through all it can do; what it has no call for goes through the URLs it signs.

const bbb = require('bigbluebutton-js')
const { assert, browse, call, done, has, inbox, mark, post, room, secret, text, until, url, version } =
  require('./drive.cjs')

const api = bbb.api(url, secret)
const { administration, monitoring, recording } = api
const [second, slides, recorded, unknown] = ['-2', '-slides', '-recorded', '-unknown'].map((end) => room + end)
const [moderator, attendee] = [`mp ${mark}`, `ap ${mark}`]
/** A signed URL for a call that the library has no function for. */
const signed = (name, params) => bbb.util.constructUrl(url, secret, name, { ...params })
/** Its parser turns passwords and names that look like numbers into numbers; none of ours do. */
const ask = (target) => bbb.http(target)

const wanted = {
  moderatorPW: moderator,
  attendeePW: attendee,
  welcome: text('Welcome'),
  meta_course: text('Course'),
  meta_endCallbackUrl: `${inbox}/ended?${mark}`,
}
const create = (id, more) => ask(administration.create(text('Biology'), id, { ...wanted, ...more }))
const xml = (name) =>
  `<?xml version="1.0" encoding="UTF-8"?><modules><module name="presentation"><document name="${name}">U2xpZGU=</document></module></modules>`

async function main() {
  await call('root', async () => {
    // There is no function for it: the root is what it signs with an empty name.
    assert.equal((await ask(signed('', {}))).version, 2)
  })
  await call('create', async () => {
    const made = await create(room)
    assert.equal(made.returncode, 'SUCCESS')
    assert.equal(made.meetingID, room)
    assert.equal(made.moderatorPW, moderator)
    const again = await create(room)
    assert.equal(again.messageKey, 'duplicateWarning')
    assert.equal(again.internalMeetingID, made.internalMeetingID)
    const taken = await create(room, { moderatorPW: 'other', attendeePW: 'another' })
    assert.equal(taken.messageKey, 'idNotUnique')
    await create(second)
  })
  await call('create (POST, slides)', async () => {
    const target = administration.create(text('Slides'), slides, wanted)
    has((await post(target, 'application/xml', xml(`${mark}.txt`))).page, '<returncode>SUCCESS')
    const info = await ask(monitoring.getMeetingInfo(slides))
    assert.equal(info.meetingID, slides)
    has((await post(administration.create('x', room + '-x'), 'text/plain', mark)).page, 'unsupportedContentType')
  })
  await call('insertDocument', async () => {
    const done = await post(signed('insertDocument', { meetingID: room }), 'application/xml', xml(`${mark}-2.txt`))
    has(done.page, 'Presentation is being uploaded')
    has((await post(signed('insertDocument', { meetingID: unknown }), 'application/xml', xml(mark))).page, 'FAILED')
    has((await browse(signed('insertDocument', { meetingID: room }))).page, 'unsupportedRequest')
  })
  await call('join', async () => {
    const ada = await browse(administration.join(text('Ada'), room, moderator, { userID: `ada-${mark}` }))
    has(ada.end, 'sessionToken=')
    has(ada.page, text('Ada'))
    const ben = await ask(administration.join(text('Ben'), room, attendee, { redirect: false }))
    assert.equal(ben.messageKey, 'successfullyJoined')
    has((await browse(ben.url)).page, text('Ben'))
    const cy = await browse(administration.join(text('Cy'), room, '', { role: 'VIEWER', 'userdata-colour': mark }))
    has(cy.page, text('Cy'))
  })
  await call('join refused', async () => {
    const wrong = administration.join(text('Eve'), room, 'wrong', { redirect: false })
    if (version < '2.7') {
      has((await browse(wrong, { redirect: 'manual' })).headers.get('location'), 'invalidPassword')
    } else {
      assert.equal((await ask(wrong)).returncode, 'FAILED')
    }
    const away = { errorRedirectUrl: `https://lms.example.org/away?${mark}` }
    const lost = await browse(administration.join(text('Eve'), unknown, moderator, away), { redirect: 'manual' })
    assert.equal(lost.status, 302)
    has(lost.headers.get('location'), 'invalidMeetingIdentifier')
  })
  await call('sendChatMessage', async () => {
    const say = { meetingID: room, message: text('Hello'), userName: text('Bot') }
    const said = await ask(signed('sendChatMessage', say))
    if (version < '3.0') {
      assert.equal(said.messageKey, 'unsupportedRequest')
      return
    }
    assert.equal(said.returncode, 'SUCCESS')
    const lost = await ask(signed('sendChatMessage', { ...say, meetingID: unknown }))
    assert.equal(lost.messageKey, 'meetingNotFound')
  })
  await call('isMeetingRunning', async () => {
    // The parser makes a boolean of it.
    assert.equal((await ask(monitoring.isMeetingRunning(room))).running, true)
    assert.equal((await ask(monitoring.isMeetingRunning(second))).running, false)
    assert.equal((await ask(monitoring.isMeetingRunning(unknown))).running, false)
  })
  await call('getMeetingInfo', async () => {
    const info = await ask(monitoring.getMeetingInfo(room))
    has(info.meetingName, mark)
    has(info.metadata.course, mark)
    assert.equal(info.participantCount, 3)
    assert.equal(info.attendees.attendee.length, 3)
    assert.ok(info.attendees.attendee.every((one) => one.fullName.includes(mark)))
    assert.equal((await ask(monitoring.getMeetingInfo(unknown))).messageKey, 'notFound')
  })
  await call('getMeetings', async () => {
    const { meetings } = await ask(monitoring.getMeetings())
    const ids = meetings.map((meeting) => meeting.meetingID)
    for (const id of [room, second, slides]) assert.ok(ids.includes(id), `${id} is not listed`)
    assert.ok(meetings.every((meeting) => meeting.meetingName.includes(mark)), 'a name without our mark')
  })
  await call('hooks', async () => {
    const url = `${inbox}/hook?of=${mark}`
    const made = await ask(api.hooks.create(url, { meetingID: second }))
    assert.equal(made.returncode, 'SUCCESS')
    const again = await ask(api.hooks.create(url, { meetingID: second }))
    assert.equal(again.messageKey, 'duplicateWarning')
    assert.equal(again.hookID, made.hookID)
    const all = await ask(api.hooks.create(`${inbox}/all?of=${mark}`))
    const list = [(await ask(api.hooks.list())).hooks.hook].flat()
    const ids = list.map((hook) => hook.hookID)
    assert.ok(ids.includes(made.hookID) && ids.includes(all.hookID), `hooks: ${ids}`)
    assert.ok(list.every((hook) => hook.callbackURL.includes(mark)), 'a hook without our mark')
    const few = [(await ask(api.hooks.list({ meetingID: second }))).hooks.hook].flat()
    assert.ok(few.some((hook) => hook.hookID === made.hookID))
    assert.equal((await ask(api.hooks.destroy(made.hookID))).removed, true)
    assert.equal((await ask(api.hooks.destroy(made.hookID))).messageKey, 'destroyMissingHook')
  })
  await call('end', async () => {
    assert.equal((await ask(administration.end(room, attendee))).messageKey, 'invalidPassword')
    assert.equal((await ask(administration.end(unknown, moderator))).messageKey, 'notFound')
    for (const id of [room, second, slides]) {
      assert.equal((await ask(administration.end(id, moderator))).messageKey, 'sentEndMeetingRequest')
    }
    await until(async () => !(await ask(monitoring.isMeetingRunning(room))).running)
  })
  await call('wrong secret', async () => {
    const stranger = bbb.api(url, 'not the secret')
    assert.equal((await ask(stranger.monitoring.getMeetings())).messageKey, 'checksumError')
    assert.equal((await ask(stranger.recording.getRecordings())).messageKey, 'checksumError')
    assert.equal((await ask(stranger.administration.end(room, moderator))).messageKey, 'checksumError')
  })
  await ofRecordings()
  done()
}

async function listed(params) {
  const { recordings, messageKey } = await ask(recording.getRecordings({ meetingID: recorded, ...params }))
  return messageKey === 'noRecordings' ? [] : recordings
}

async function ofRecordings() {
  let id
  await call('getRecordings', async () => {
    const told = {
      meetingEndedURL: `${inbox}/over?${mark}`,
      'meta_bbb-recording-ready-url': `${inbox}/ready?${mark}`,
      'meta_analytics-callback-url': `${inbox}/analytics?${mark}`,
    }
    await create(recorded, { record: true, ...told })
    await browse(administration.join(text('Dan'), recorded, moderator))
    await ask(administration.end(recorded, moderator))
    const [one] = await until(async () => {
      const found = await listed()
      return found.length && found
    })
    id = one.recordID
    has(one.name, mark)
    has(one.metadata.course, mark)
    assert.equal((await listed({ recordID: id, meetingID: '' })).length, 1)
    assert.equal((await listed({ state: 'published,unpublished' })).length, 1)
    assert.equal((await listed({ state: 'deleted' })).length, 0)
    assert.equal((await listed({ meta_course: text('Course') })).length, 1)
    assert.equal((await listed({ meta_course: 'other' })).length, 0)
    const all = await ask(recording.getRecordings({ offset: 0, limit: 100 }))
    assert.ok(all.totalElements >= 1)
    assert.ok(all.recordings.every((one) => String(one.name).includes(mark)), 'a recording without our mark')
  })
  await call('publishRecordings', async () => {
    assert.equal((await ask(recording.publishRecordings(id, false))).published, false)
    assert.equal((await listed())[0].state, 'unpublished')
    assert.equal((await ask(recording.publishRecordings(id, true))).published, true)
    assert.equal((await ask(recording.publishRecordings('unknown', true))).messageKey, 'notFound')
  })
  await call('updateRecordings', async () => {
    assert.equal((await ask(recording.updateRecordings(id, { meta_chapter: text('Chapter') }))).updated, true)
    has((await listed())[0].metadata.chapter, mark)
  })
  await call('text tracks', async () => {
    const params = { recordID: id, kind: 'subtitles', lang: 'en-US', label: text('English') }
    const form = new FormData()
    form.append('file', new Blob([`WEBVTT\n\n00:00.000 --> 00:01.000\n${mark}\n`]), `${mark}.vtt`)
    const put = await post(signed('putRecordingTextTrack', params), undefined, form)
    has(put.page, 'upload_text_track_success')
    const tracks = JSON.parse((await browse(signed('getRecordingTextTracks', { recordID: id }))).page).response.tracks
    assert.equal(tracks.length, 1)
    has(tracks[0].label, mark)
  })
  await call('deleteRecordings', async () => {
    assert.equal((await ask(recording.deleteRecordings(id))).deleted, true)
    assert.equal((await listed()).length, 0)
    assert.equal((await ask(recording.deleteRecordings(id))).messageKey, 'notFound')
  })
}

main()

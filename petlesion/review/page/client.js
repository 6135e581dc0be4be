// SPDX-License-Identifier: Apache-2.0
/**
 * The server's interface, one function for each of its paths.
 *
 * @typedef {[number, number, number]} Triple
 * @typedef {"tumor" | "background"} ClickName
 * @typedef {{id: number, name: ClickName, point: Triple}} Click  point: voxel x, y, z of the PET
 * @typedef {{number: number, kept: boolean, volume_ml: number, suv_max: number, suv_mean: number, suv_peak: number,
 *   tlg: number, centroid_xyz: Triple, longest_diameter_mm: number}} Lesion
 * @typedef {{number: number, tmtv_ml: number, tlg: number, dmax_mm: number | null}} Totals
 * @typedef {{revision: number, busy: boolean, progress: number, clicks: Click[], lesions: Lesion[], totals: Totals,
 *   can_undo: boolean, can_redo: boolean, seconds: number | null,
 *   tiles: {computed: number, reused: number} | null, message: string}} State
 * @typedef {{name: string, size_xyz: Triple, spacing_mm: Triple, recipe: string, tracer: string | null,
 *   device: string, warnings: string[], reads_clicks: boolean, pet_window_suv: [number, number],
 *   ct_window_hu: [number, number], version: string}} Case
 */

/** @returns {Promise<Case>} */
export const getCase = () => json("/api/case");

/** @returns {Promise<State>} */
export const getState = () => json("/api/state");

/** @returns {Promise<State>} */
export const addClick = (name, point) => json("/api/clicks", { name, point });

/** @returns {Promise<State>} */
export const undo = () => json("/api/undo", {});

/** @returns {Promise<State>} */
export const redo = () => json("/api/redo", {});

/** @returns {Promise<State>} */
export const keepLesion = (number, kept) => json(`/api/lesions/${number}`, { kept });

/** @returns {Promise<{files: string[], folder: string}>} */
export const save = () => json("/api/save", {});

/** @returns {Promise<ArrayBuffer>} the mask of a revision, gzip NIfTI */
export const getMask = async (revision) => (await answer(`/api/mask.nii.gz?revision=${revision}`)).arrayBuffer();

/** @returns {Promise<ArrayBuffer>} HU on the PET's grid, gzip NIfTI */
export const getCt = async () => (await answer("/api/ct.nii.gz")).arrayBuffer();

/** @returns {Promise<ArrayBuffer>} SUV, gzip NIfTI */
export const getPet = async () => (await answer("/api/pet.nii.gz")).arrayBuffer();

async function json(path, body) {
  return (await answer(path, body)).json();
}

async function answer(path, body) {
  const request = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, request).catch(() => {
    throw new Error("The server does not answer: is `petlesion review` still running?");
  });
  if (!response.ok) throw new Error(await sentence(response));
  return response;
}

async function sentence(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).message;
  } catch {
    return text || `The server answered ${response.status}.`;
  }
}
